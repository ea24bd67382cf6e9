# page.cmake - the page: bundled from src/web/page where node and npm are there, embedded into the web library.
#
#   NV_PAGE=AUTO   the default: where node and npm are found and npm can install what package-lock.json names
#   NV_PAGE=ON     has to be; an error tells what is missing
#   NV_PAGE=OFF    left out: "/" is a plain page of links
#
# Sets NV_PAGE_SOURCE, the C file that holds it.
set(NV_PAGE AUTO CACHE STRING "Whether the page is built in: ON, OFF or AUTO")
set(page_source ${CMAKE_SOURCE_DIR}/src/web/page)
set(page_build ${CMAKE_BINARY_DIR}/page)
set(NV_PAGE_SOURCE ${page_build}/none.c)
file(CONFIGURE OUTPUT ${NV_PAGE_SOURCE} CONTENT "/* Generated: no page. */
#include \"web/page.h\"

const struct nv_page_asset nv_page_assets[] = {{NULL, NULL, NULL, NULL, NULL}};
" @ONLY)

# What is missing for a page, in `missing`; empty where nothing is.
set(missing "")
if(NOT NV_PAGE)
  set(missing "it is switched off (NV_PAGE)")
else()
  find_program(NV_NODE node)
  find_program(NV_NPM npm)
  if(NOT NV_NODE OR NOT NV_NPM)
    set(missing "node and npm are not installed")
  endif()
endif()

if(NOT missing)
  file(SHA256 ${page_source}/package-lock.json lock)
  set(installed "")
  if(EXISTS ${page_build}/installed)
    file(READ ${page_build}/installed installed)
  endif()
  if(NOT installed STREQUAL lock)
    configure_file(${page_source}/package.json ${page_build}/package.json COPYONLY)
    configure_file(${page_source}/package-lock.json ${page_build}/package-lock.json COPYONLY)
    execute_process(COMMAND ${NV_NPM} ci --ignore-scripts --no-audit --no-fund --loglevel=error
      WORKING_DIRECTORY ${page_build} RESULT_VARIABLE failed OUTPUT_VARIABLE said ERROR_VARIABLE said TIMEOUT 300)
    if(failed)
      set(missing "npm could not install what it takes: ${said}")
    else()
      file(WRITE ${page_build}/installed ${lock})
    endif()
  endif()
endif()

if(missing AND NV_PAGE STREQUAL ON)
  message(FATAL_ERROR "the page cannot be built: ${missing}")
elseif(missing)
  message(STATUS "without the page: ${missing}")
else()
  file(CREATE_LINK ${page_source} ${page_build}/page SYMBOLIC)
  file(GLOB page_files CONFIGURE_DEPENDS ${page_source}/*.html ${page_source}/*.sh ${page_source}/src/*)
  set(NV_PAGE_SOURCE ${page_build}/assets.c)
  add_custom_command(OUTPUT ${NV_PAGE_SOURCE}
    COMMAND sh ${page_source}/build.sh ${page_build}
    DEPENDS ${page_files} ${page_source}/package-lock.json
    COMMENT "Bundling the page" VERBATIM)
endif()
