// chart.go - renders a Helm chart where there is no helm, and turns YAML into JSON. Only for tests.
//
//	chart json < YAML                            the documents as a JSON list
//	chart render FOLDER < REQUESTS               what a chart's templates give: a line of JSON for each line of it
//
// A request is {"kubernetes": version, "values": [{...}, ...]}; its answer {"notes": text, "objects": [...], "text": of all}
// or {"error": text}. Version "-" is for a renderer that knows include, tpl, toYaml, required and sprig's alone, leaves what is
// missing as <no value>, and trims nothing.
//
// Built against Debian's golang-github-masterminds-sprig-dev and golang-github-ghodss-yaml-dev, without modules. Of helm it
// knows what this project's chart uses: include, tpl, required, fail, toYaml and its like, .Files, .Capabilities. Not lookup,
// dependencies, hooks or the schema. A duplicate key and an unknown function are errors.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"sort"
	"strings"
	"text/template"

	"github.com/Masterminds/sprig"
	"github.com/ghodss/yaml"
)

type object = map[string]interface{}

// Files of the chart, as .Files has them.
type files map[string]string

func (f files) Get(name string) string { return f[name] }

func (f files) Glob(pattern string) files {
	found := files{}
	for name, text := range f {
		if matched, _ := path.Match(pattern, name); matched {
			found[name] = text
		}
	}
	return found
}

func (f files) AsConfig() string {
	texts := map[string]string{}
	for name, text := range f {
		texts[path.Base(name)] = text
	}
	return toYAML(texts)
}

type versions []string

func (v versions) Has(wanted string) bool {
	for _, version := range v {
		if version == wanted {
			return true
		}
	}
	return false
}

func toYAML(value interface{}) string {
	text, err := yaml.Marshal(value)
	if err != nil {
		return ""
	}
	return strings.TrimSuffix(string(text), "\n")
}

func fromYAML(text string) object {
	value := object{}
	if err := yaml.Unmarshal([]byte(text), &value); err != nil {
		value["Error"] = err.Error()
	}
	return value
}

func fromYAMLList(text string) []interface{} {
	value := []interface{}{}
	if err := yaml.Unmarshal([]byte(text), &value); err != nil {
		value = []interface{}{err.Error()}
	}
	return value
}

func required(message string, value interface{}) (interface{}, error) {
	if value == nil || value == "" {
		return value, errors.New(message)
	}
	return value, nil
}

// merge lays `over` over `under`: maps key by key; null takes a key away, as helm has it.
func merge(under, over object) object {
	for key, value := range over {
		inner, isMap := value.(object)
		old, wasMap := under[key].(object)
		switch {
		case value == nil:
			delete(under, key)
		case isMap && wasMap:
			under[key] = merge(old, inner)
		default:
			under[key] = value
		}
	}
	return under
}

// What check() ends with.
type failure struct{ error }

func check(err error) {
	if err != nil {
		panic(failure{err})
	}
}

// failed calls `then` with what check() met.
func failed(then func(err error)) {
	switch met := recover().(type) {
	case nil:
	case failure:
		then(met.error)
	default:
		panic(met)
	}
}

// Whether to do with less than helm.
var few bool

// execute leaves nothing where a value is missing, as helm does.
func execute(t *template.Template, name string, data interface{}) (string, error) {
	var out bytes.Buffer
	err := t.ExecuteTemplate(&out, name, data)
	if few {
		return out.String(), err
	}
	return strings.ReplaceAll(out.String(), "<no value>", ""), err
}

func functions(t *template.Template) template.FuncMap {
	known := sprig.TxtFuncMap()
	delete(known, "env")
	delete(known, "expandenv")
	known["toYaml"] = toYAML
	if few {
		known["toYaml"] = func(value interface{}) string { return toYAML(value) + "\n" }
	} else {
		known["fromYaml"], known["fromYamlArray"] = fromYAML, fromYAMLList
	}
	known["required"] = required
	known["include"] = func(name string, data interface{}) (string, error) { return execute(t, name, data) }
	known["tpl"] = func(text string, data interface{}) (string, error) {
		clone, err := t.Clone()
		if err != nil {
			return "", err
		}
		if _, err = clone.New("tpl").Parse(text); err != nil {
			return "", err
		}
		return execute(clone, "tpl", data)
	}
	return known
}

// read gives a chart's files by their names; links are followed, to folders, too.
func read(folder, prefix string, into files) {
	entries, err := os.ReadDir(folder)
	check(err)
	for _, entry := range entries {
		name := filepath.Join(folder, entry.Name())
		info, err := os.Stat(name)
		check(err)
		if info.IsDir() {
			read(name, prefix+entry.Name()+"/", into)
			continue
		}
		text, err := fs.ReadFile(os.DirFS(folder), entry.Name())
		check(err)
		into[prefix+entry.Name()] = string(text)
	}
}

func render(all files, version string, values []object) (made object) {
	defer failed(func(err error) { made = object{"error": err.Error()} })
	chart := fromYAML(all["Chart.yaml"])
	merged := fromYAML(all["values.yaml"])
	for _, some := range values {
		merged = merge(merged, some)
	}
	about := object{}
	for key, value := range chart {
		about[strings.ToUpper(key[:1])+key[1:]] = value
	}
	few = version == "-"
	data := object{
		"Values":  merged,
		"Chart":   about,
		"Release": object{"Name": "nv", "Namespace": "monitoring"},
	}
	if !few {
		data["Release"] = object{"Name": "nv", "Namespace": "monitoring", "Service": "Helm", "IsInstall": true, "Revision": 1}
		number := strings.Split(strings.TrimPrefix(version, "v"), ".")
		data["Files"] = all
		data["Capabilities"] = object{
			"KubeVersion": object{"Version": version, "Major": number[0], "Minor": number[1]},
			"APIVersions": versions{"v1", "apps/v1"},
		}
	}
	t := template.New("chart").Option("missingkey=zero")
	t.Funcs(functions(t))
	for name, text := range all {
		if strings.HasPrefix(name, "templates/") {
			_, err := t.New(name).Parse(text)
			check(err)
		}
	}
	names := []string{}
	for name := range all {
		names = append(names, name)
	}
	sort.Strings(names)
	notes, whole := "", ""
	for _, name := range names {
		if strings.HasPrefix(name, "templates/") && !strings.HasPrefix(path.Base(name), "_") {
			if !few {
				data["Template"] = object{"Name": name, "BasePath": "templates"}
			}
			text, err := execute(t, name, data)
			check(err)
			if path.Base(name) == "NOTES.txt" {
				notes = text
			} else {
				whole += text + "\n---\n"
			}
		}
	}
	return object{"notes": notes, "objects": documents(whole), "text": whole}
}

func answer(folder string) {
	all := files{}
	read(folder, "", all)
	requests, answers := json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout)
	for {
		var request struct {
			Kubernetes string
			Values     []object
		}
		if err := requests.Decode(&request); err == io.EOF {
			return
		} else {
			check(err)
		}
		check(answers.Encode(render(all, request.Kubernetes, request.Values)))
	}
}

func documents(text string) []interface{} {
	list := []interface{}{}
	for _, part := range regexp.MustCompile(`(?m)^---.*$`).Split(text, -1) {
		var value interface{}
		data, err := yaml.YAMLToJSON([]byte(part))
		if err == nil {
			err = yaml.UnmarshalStrict([]byte(part), &value)
		}
		if err == nil {
			err = json.Unmarshal(data, &value)
		}
		if err != nil {
			check(fmt.Errorf("%w in:\n%s", err, part))
		}
		if value != nil {
			list = append(list, value)
		}
	}
	return list
}

func main() {
	defer failed(func(err error) {
		fmt.Fprintln(os.Stderr, "chart:", err)
		os.Exit(1)
	})
	switch {
	case len(os.Args) == 2 && os.Args[1] == "json":
		text, err := io.ReadAll(os.Stdin)
		check(err)
		check(json.NewEncoder(os.Stdout).Encode(documents(string(text))))
	case len(os.Args) == 3 && os.Args[1] == "render":
		answer(os.Args[2])
	default:
		check(errors.New("usage: chart json | chart render FOLDER"))
	}
}
