//! Puts the template onto a running stack and writes `stack.json`.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
};

use serde::Deserialize;
use serde_json::json;

use crate::{
    cloud::{REGION, ROOT_KEY, ROOT_SECRET},
    error::{Context, Error, Result},
    paths,
    progress::Step,
    stack::{Function, StackFile},
};

/// Name of the CloudFormation stack.
pub const STACK: &str = "bookbag";

/// One line of what `deploy.py` reports.
#[derive(Debug, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Report {
    Progress {
        text: String,
        #[serde(default)]
        done: usize,
        /// How many steps there are, where that is known.
        total: Option<usize>,
    },
    Done {
        outputs: BTreeMap<String, String>,
        functions: Vec<Function>,
    },
    Failed {
        text: String,
    },
}

/// Deploys `template` to the emulator at `endpoint_url` and describes the result. The binaries must be laid out already.
pub fn deploy(python: &Path, template: &Path, endpoint_url: &str, tap_url: &str) -> Result<StackFile> {
    let step = Step::start("Deploying the template");
    let mut child = Command::new(python)
        .arg(paths::runner().join("deploy.py"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        // boto3 reads profiles and endpoints from here; the developer's own must not reach the emulator or be reached.
        .env_remove("AWS_PROFILE")
        .env_remove("AWS_ENDPOINT_URL")
        .env_remove("AWS_SESSION_TOKEN")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .setup("the venv's Python cannot be run")?;
    let order = json!({
        "template": template,
        "stack": STACK,
        "endpoint_url": endpoint_url,
        "region": REGION,
        "access_key": ROOT_KEY,
        "secret_key": ROOT_SECRET,
        "parameters": {"Stage": "local", "Architecture": architecture()?},
    });
    let mut stdin = child.stdin.take().expect("standard input was asked for");
    stdin.write_all(order.to_string().as_bytes()).failed("the deployment could not be started")?;
    drop(stdin);

    let stdout = child.stdout.take().expect("standard output was asked for");
    let mut result = None;
    for line in BufReader::new(stdout).lines() {
        match serde_json::from_str(&line.failed("the deployment broke off")?) {
            Ok(Report::Progress { text, done, total }) => {
                step.note(&text);
                if let Some(total) = total {
                    step.at(done, total);
                }
            }
            Ok(Report::Done { outputs, functions }) => result = Some((outputs, functions)),
            Ok(Report::Failed { text }) => {
                return Err(Error::Failed(format!("The deployment failed: {text}")));
            }
            Err(_) => {}
        }
    }
    let out = child.wait_with_output().failed("the deployment broke off")?;
    let Some((outputs, functions)) = result else {
        let errors = String::from_utf8_lossy(&out.stderr);
        let last = errors.trim().lines().last().unwrap_or("it said nothing").to_owned();
        return Err(Error::Failed(format!("The deployment broke off: {last}")));
    };
    step.done();
    Ok(StackFile {
        endpoint_url: endpoint_url.to_owned(),
        region: REGION.to_owned(),
        api_url: local_api_url(endpoint_url, &outputs),
        tap_url: tap_url.to_owned(),
        outputs,
        functions,
    })
}

fn architecture() -> Result<&'static str> {
    match std::env::consts::ARCH {
        "x86_64" => Ok("x86_64"),
        "aarch64" => Ok("arm64"),
        other => Err(Error::Setup(format!("Lambda knows no {other} processors; x86-64 or arm64 is needed."))),
    }
}

/// The API by the path form, which needs no `*.localhost` name resolution: the id is the first label of `ApiUrl`.
fn local_api_url(endpoint_url: &str, outputs: &BTreeMap<String, String>) -> String {
    let url = outputs.get("ApiUrl").map_or("", String::as_str);
    let host = url.split_once("://").map_or(url, |(_, rest)| rest);
    let id = host.split(['.', '/', ':']).next().unwrap_or("");
    format!("{endpoint_url}/_aws/execute-api/{id}/$default")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_api_is_reached_by_path() {
        let outputs = BTreeMap::from([(
            "ApiUrl".to_owned(),
            "https://a1b2c3.execute-api.eu-west-2.amazonaws.com".to_owned(),
        )]);
        assert_eq!(
            local_api_url("http://127.0.0.1:4566", &outputs),
            "http://127.0.0.1:4566/_aws/execute-api/a1b2c3/$default"
        );
    }
}
