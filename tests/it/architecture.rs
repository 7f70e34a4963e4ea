//! What is never true of the source tree: the invariants that a file listing and a search can see.
//!
//! A new function, route or event has one obvious place, and a test here that fails naming what is missing.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use serde_json::{Value, json};

use crate::template::{Template, load, root};

/// Methods that a path of the contract may have; its other members are not routes.
const METHODS: [&str; 5] = ["get", "put", "post", "patch", "delete"];
/// A file that is longer has more than one subject.
const LONGEST_FILE: usize = 600;

/// Files below some folders with this extension: path from the root (with `/`) and text, sorted.
fn files(folders: &[&str], extension: &str) -> Vec<(String, String)> {
    fn walk(folder: &Path, extension: &str, found: &mut Vec<(String, String)>) {
        for entry in fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path = entry.expect("a folder can be read to its end").path();
            if path.is_dir() {
                walk(&path, extension, found);
            } else if path.extension().is_some_and(|it| it == extension) {
                let text =
                    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
                let name = path
                    .strip_prefix(root())
                    .expect("walked from the root")
                    .components()
                    .map(|part| part.as_os_str().to_string_lossy());
                found.push((name.collect::<Vec<_>>().join("/"), text));
            }
        }
    }
    let mut found = Vec::new();
    for folder in folders {
        walk(&root().join(folder), extension, &mut found);
    }
    found.sort();
    found
}

/// The folders below `functions`.
fn functions() -> BTreeSet<String> {
    let entries = fs::read_dir(root().join("functions")).expect("there are functions");
    entries
        .map(|entry| entry.expect("readable").path())
        .filter(|path| path.is_dir())
        .filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned()))
        .collect()
}

/// `upload-ingest` -> `UploadIngestFunction`.
fn logical_id(name: &str) -> String {
    let words = name.split('-').map(|word| word[..1].to_uppercase() + &word[1..]);
    words.chain(["Function".to_owned()]).collect()
}

/// Lines of some files in which `found` sees a fault, as `file:line: text`.
fn faults(files: &[(String, String)], found: impl Fn(&str, &str) -> bool) -> Vec<String> {
    let lines = files.iter().flat_map(|(name, text)| {
        text.lines().enumerate().map(move |(index, line)| (name, index + 1, line.trim()))
    });
    lines
        .filter(|(name, _, line)| found(name, line))
        .map(|(name, number, line)| format!("{name}:{number}: {line}"))
        .collect()
}

#[test]
fn the_aws_sdk_stays_at_the_edge() {
    let edge = [
        "shared/src/store/",
        "shared/src/channel/",
        "shared/src/queue.rs",
        "shared/src/object.rs",
        "shared/src/seal.rs",
        "shared/src/app.rs",
    ];
    let inside = |name: &str| {
        edge.iter().any(|path| name.starts_with(path))
            || name.starts_with("functions/") && name.ends_with("/src/main.rs")
    };
    let found = faults(&files(&["shared/src", "functions"], "rs"), |name, line| {
        !inside(name) && ["aws_sdk_", "aws_config", "aws_smithy"].iter().any(|sdk| line.contains(sdk))
    });
    assert!(found.is_empty(), "AWS SDK types outside the edge:\n{}", found.join("\n"));
}

#[test]
fn only_config_reads_the_environment() {
    let reads = |line: &str| {
        let imported =
            line.starts_with("use std::{") && line.split(['{', ',', '}', ':', ' ']).any(|word| word == "env");
        imported || line.contains("std::env") || line.contains("env::var")
    };
    let found = faults(&files(&["shared/src", "functions"], "rs"), |name, line| {
        name != "shared/src/config.rs" && reads(line)
    });
    assert!(found.is_empty(), "the environment is read outside config.rs:\n{}", found.join("\n"));
}

#[test]
fn nothing_is_left_undone_or_printed() {
    let unfinished =
        ["todo!", "unimplemented!", "#[ignore", "#[should_panic", "println!", "print!(", "dbg!("];
    let found = faults(&files(&["shared/src", "functions"], "rs"), |_, line| {
        unfinished.iter().any(|it| line.contains(it))
    });
    assert!(found.is_empty(), "unfinished, skipped or printing:\n{}", found.join("\n"));
}

#[test]
fn files_have_one_subject_each() {
    let long: Vec<_> = files(&["shared", "functions", "infra/local/src", "tests"], "rs")
        .into_iter()
        .filter_map(|(name, text)| {
            Some((name, text.lines().count())).filter(|(_, lines)| *lines > LONGEST_FILE)
        })
        .collect();
    assert!(long.is_empty(), "more than {LONGEST_FILE} lines: {long:?}");
}

#[test]
fn main_is_wiring() {
    for (name, text) in files(&["functions"], "rs") {
        if name.ends_with("/src/main.rs") {
            let lines =
                text.lines().filter(|line| !line.trim().is_empty() && !line.trim().starts_with("//")).count();
            assert!(lines <= 60, "{name} has {lines} lines of code: logic belongs beside it, in lib.rs");
        }
    }
}

#[test]
fn every_function_is_deployed_sampled_and_described() {
    let template = Template::read();
    let deployed = template.functions();
    let readme = fs::read_to_string(root().join("README.md")).unwrap_or_default();
    let mut missing = Vec::new();
    for name in functions() {
        if deployed.get(logical_id(&name).as_str()) != Some(&name.as_str()) {
            missing.push(format!(
                "infra/template.yaml: resource {} with CodeUri ../target/lambda/{name}/",
                logical_id(&name)
            ));
        }
        let samples = fs::read_dir(root().join("events").join(&name)).map_or(0, |entries| {
            entries.flatten().filter(|entry| entry.path().extension().is_some_and(|it| it == "json")).count()
        });
        if samples == 0 {
            missing.push(format!("events/{name}/: a sample event as JSON"));
        }
        if !readme.lines().any(|line| line.starts_with('|') && line.contains(&format!("`{name}`"))) {
            missing.push(format!("README.md: a row for `{name}` in the table of functions"));
        }
    }
    for (id, name) in deployed {
        if !functions().contains(name) {
            missing.push(format!("functions/{name}: {id} of the template deploys it"));
        }
    }
    assert!(missing.is_empty(), "missing:\n{}", missing.join("\n"));
}

#[test]
fn every_function_is_given_what_it_asks_for() {
    let template = Template::read();
    let mut missing = Vec::new();
    for (id, name) in template.functions() {
        let given = &template.properties(id)["Environment"]["Variables"];
        for (file, text) in files(&[&format!("functions/{name}/src")], "rs") {
            for call in ["required(\"", "bucket(\""] {
                for variable in text.split(call).skip(1).filter_map(|rest| rest.split('"').next()) {
                    if given[variable].is_null() {
                        missing.push(format!("{file} asks for {variable}, {id} is not given it"));
                    }
                }
            }
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

#[test]
fn sample_events_are_of_the_shape_their_function_is_sent() {
    let names = functions();
    for (file, text) in files(&["events"], "json") {
        let event: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{file}: {error}"));
        let function = file.split('/').nth(1).unwrap_or_default();
        assert!(names.contains(function), "{file}: there is no function {function}");
        if let Some(route) = event["routeKey"].as_str() {
            assert!(
                Template::read().routes().contains_key(route),
                "{file}: the template has no route {route}"
            );
            assert_eq!(event["requestContext"]["routeKey"], route, "{file}");
            assert_eq!(event["version"], "2.0", "{file}");
        } else if let Some(records) = event["Records"].as_array() {
            let ids: BTreeSet<_> = records.iter().filter_map(|record| record["messageId"].as_str()).collect();
            assert_eq!(ids.len(), records.len(), "{file}: two records with one id");
            assert!(
                records.iter().all(|record| record["eventSource"] == "aws:sqs" && record["body"].is_string()),
                "{file}: records of SQS have text bodies"
            );
        } else {
            assert_eq!(event["kind"], "nightly", "{file} is no event that anything sends");
        }
    }
}

#[test]
fn the_contract_and_the_template_have_the_same_routes() {
    let template = Template::read();
    let deployed: BTreeSet<String> = template.routes().keys().map(|route| (*route).to_owned()).collect();
    let contract = load("infra/openapi.yaml");
    let mut described = BTreeSet::new();
    let mut operations = BTreeMap::new();
    for (path, item) in contract["paths"].as_object().expect("the contract has paths") {
        for (method, operation) in item
            .as_object()
            .expect("a path is an object")
            .iter()
            .filter(|(method, _)| METHODS.contains(&method.as_str()))
        {
            let route = format!("{} {path}", method.to_uppercase());
            let id =
                operation["operationId"].as_str().unwrap_or_else(|| panic!("{route} has no operationId"));
            assert!(
                operations.insert(id, route.clone()).is_none(),
                "{route}: {id} is another route's operationId"
            );
            assert!(operation["summary"].is_string(), "{route} has no summary");
            described.insert(route);
        }
    }
    let undescribed: Vec<_> = deployed.difference(&described).collect();
    let undeployed: Vec<_> = described.difference(&deployed).collect();
    assert!(undescribed.is_empty(), "infra/openapi.yaml lacks {undescribed:?}");
    assert!(undeployed.is_empty(), "infra/template.yaml lacks {undeployed:?}");
}

#[test]
fn the_contract_secures_what_the_template_secures() {
    let template = Template::read();
    let contract = load("infra/openapi.yaml");
    for (route, id) in template.routes() {
        let (method, path) = route.split_once(' ').expect("a route is method and path");
        let operation = &contract["paths"][path][method.to_lowercase()];
        let scheme = operation["security"].as_array().map_or("staff", |all| {
            let one = all.first().and_then(Value::as_object).and_then(|one| one.keys().next());
            one.map_or("none", String::as_str)
        });
        let by_gateway = template.properties(id)["AuthorizationType"] == "JWT";
        assert_eq!(scheme == "staff", by_gateway, "{route}: the contract says {scheme}");
    }
}

#[test]
fn the_contract_says_every_status_that_an_operation_can_answer() {
    let contract = load("infra/openapi.yaml");
    let mut missing = Vec::new();
    for (path, item) in contract["paths"].as_object().expect("the contract has paths") {
        for (method, operation) in item.as_object().expect("a path is an object") {
            if !METHODS.contains(&method.as_str()) {
                continue;
            }
            // What the gateway answers by itself, and what any function can.
            let mut wanted = vec!["429", "500", "503"];
            if operation["requestBody"].is_object() {
                wanted.extend(["400", "413"]);
            }
            let may_be_anybody = |schemes: &Vec<Value>| schemes.is_empty() || schemes.contains(&json!({}));
            if !operation["security"].as_array().is_some_and(may_be_anybody) {
                wanted.push("401");
            }
            // The token's holder may lack the role, or belong to another school.
            if operation["security"].is_null() {
                wanted.push("403");
            }
            if path.contains('{') && operation["responses"]["401"].is_null() {
                wanted.push("404");
            }
            let lacking = wanted.into_iter().filter(|status| operation["responses"][status].is_null());
            missing.extend(lacking.map(|status| format!("{} {path}: {status}", method.to_uppercase())));
        }
    }
    assert!(missing.is_empty(), "infra/openapi.yaml does not say:\n{}", missing.join("\n"));
}

#[test]
fn the_readme_says_what_to_do_about_every_finding() {
    let readme = fs::read_to_string(root().join("README.md")).expect("there is a README");
    let source = fs::read_to_string(root().join("shared/src/upload/finding.rs")).expect("it is there");
    let refusals = fs::read_to_string(root().join("shared/src/upload/mod.rs")).expect("it is there");
    let words = |text: &str| -> Vec<String> {
        let arms =
            text.lines().filter(|line| line.trim_start().starts_with("Self::") && line.contains("=> \""));
        let words = arms.filter_map(|line| line.split('"').nth(1));
        words.filter(|word| !word.contains(' ')).map(str::to_owned).collect()
    };
    let all = [words(&source), words(&refusals)].concat();
    assert!(all.len() > 50, "the codes were not found: {}", all.len());
    let missing: Vec<_> = all.iter().filter(|code| !readme.contains(&format!("`{code}`"))).collect();
    assert!(missing.is_empty(), "codes that the README does not explain: {missing:?}");
}

#[test]
fn every_test_that_the_standards_are_held_by_exists() {
    let table = fs::read_to_string(root().join("tests/STANDARDS.md")).expect("it can be read");
    let sources = files(&["tests", "shared", "functions"], "rs");
    let exists = |name: &str| sources.iter().any(|(_, text)| text.contains(&format!("fn {name}()")));
    let rows: Vec<_> =
        table.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| asked")).collect();
    assert!(rows.len() > 15, "the table was not understood");
    for row in rows {
        let tests = row.trim_end_matches(['|', ' ']).rsplit('|').next().expect("a row has columns");
        let names: Vec<_> = tests.split('`').skip(1).step_by(2).collect();
        assert!(!names.is_empty(), "no test holds: {row}");
        for name in names {
            assert!(exists(name), "tests/STANDARDS.md names {name}, which is no test");
        }
    }
}
