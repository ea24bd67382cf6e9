# package.cmake - the Debian package: cpack -G DEB.
#
# Libraries are found by dpkg-shlibdeps, but for those that are loaded when something needs them (src/base/lazy.h): libsystemd,
# which every Debian with systemd has, and libcurl, without which alerts go to the journal and to commands alone.
set(debian ${CMAKE_CURRENT_SOURCE_DIR}/debian)

# One file of the package's /etc or documentation. An absolute path cannot be given to a package that lies below /usr.
function(nv_debian_file from to name)
  install(FILES ${from} RENAME ${name} DESTINATION ${to} COMPONENT debian EXCLUDE_FROM_ALL)
endfunction()

nv_debian_file(${CMAKE_CURRENT_SOURCE_DIR}/nodevitals.default ../etc/default nodevitals)
nv_debian_file(${CMAKE_CURRENT_SOURCE_DIR}/nodevitals.yml ../etc/nodevitals nodevitals.yml)
nv_debian_file(${debian}/copyright share/doc/nodevitals copyright)
nv_debian_file(${debian}/lintian-overrides share/lintian/overrides nodevitals)
configure_file(debian/changelog debian/changelog @ONLY)
file(WRITE ${CMAKE_CURRENT_BINARY_DIR}/debian/conffiles "/etc/default/nodevitals\n/etc/nodevitals/nodevitals.yml\n")
foreach(script postinst prerm postrm)
  configure_file(debian/${script} debian/${script} COPYONLY)
endforeach()
add_custom_command(OUTPUT changelog.gz changelog.Debian.gz
  COMMAND gzip -9nc ${CMAKE_CURRENT_SOURCE_DIR}/CHANGELOG.md > changelog.gz
  COMMAND gzip -9nc debian/changelog > changelog.Debian.gz
  DEPENDS CHANGELOG.md debian/changelog VERBATIM)
add_custom_target(changelogs ALL DEPENDS changelog.gz changelog.Debian.gz)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/changelog.gz ${CMAKE_CURRENT_BINARY_DIR}/changelog.Debian.gz
  DESTINATION share/doc/nodevitals COMPONENT debian EXCLUDE_FROM_ALL)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_CONTACT "${NV_MAINTAINER}")
set(CPACK_PACKAGE_VENDOR nodevitals)
set(CPACK_STRIP_FILES ON)
set(CPACK_COMPONENTS_ALL Unspecified debian)
set(CPACK_COMPONENTS_GROUPING ALL_COMPONENTS_IN_ONE)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS
  OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)

set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_RELEASE 1)
set(CPACK_DEBIAN_PACKAGE_SECTION net)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS "systemd | systemd-standalone-sysusers | systemd-sysusers, init-system-helpers (>= 1.54~)")
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "libcurl3t64-gnutls | libcurl3-gnutls, libncursesw6, libsystemd0")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "metrics, history and alerts of this node")
set(CPACK_DEBIAN_PACKAGE_DESCRIPTION
"One small agent for a Linux node. It serves the metrics of node_exporter to
Prometheus, under the same names and flags, at a fraction of the cost; keeps
a history of its own at second resolution in a few megabytes; answers PromQL
over it; and evaluates alerting rules on the node itself, telling an
Alertmanager, a webhook, a command, a mailbox or the journal.")
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA
  ${CMAKE_CURRENT_BINARY_DIR}/debian/postinst ${CMAKE_CURRENT_BINARY_DIR}/debian/prerm
  ${CMAKE_CURRENT_BINARY_DIR}/debian/postrm ${CMAKE_CURRENT_BINARY_DIR}/debian/conffiles)
include(CPack)
