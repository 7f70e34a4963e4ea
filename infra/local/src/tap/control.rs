//! The tap's own endpoints, all under `/_tap/`, for tests, the demo and the commands that read the log.

use std::{collections::HashMap, sync::Arc};

use serde_json::{Value, json};

use super::{
    Shared,
    events::Script,
    fault::Fault,
    http::{Request, Response, pair},
};

/// Answers one control request.
pub(crate) fn answer(shared: &Arc<Shared>, request: &Request) -> Response {
    let path = request.path().trim_start_matches("/_tap/");
    match (request.method.as_str(), path.split('/').collect::<Vec<_>>().as_slice()) {
        ("GET", ["health"]) => Response::json(200, &json!({"status": "ok"})),
        ("GET", ["mark"]) => {
            let state = shared.lock();
            Response::json(200, &json!({"calls": state.log.len(), "outbox": state.outbox.len()}))
        }
        ("POST", ["stop"]) => {
            shared.stop.notify_one();
            Response::json(202, &json!({}))
        }
        ("PUT", ["functions"]) => {
            body::<HashMap<String, String>>(request).map_or_else(refused, |functions| {
                shared.lock().functions = functions;
                Response::json(200, &json!({}))
            })
        }
        ("GET", ["calls"]) => {
            let (since, contains) = filter(request);
            Response::json(200, &json!(shared.lock().log.list(since, &contains)))
        }
        ("GET", ["outbox"]) => {
            let (since, contains) = filter(request);
            let state = shared.lock();
            let rows: Vec<_> = state
                .outbox
                .iter()
                .filter(|row| row.seq > since)
                .map(|row| json!(row))
                .filter(|row| contains.is_empty() || row.to_string().contains(&contains))
                .collect();
            Response::json(200, &Value::Array(rows))
        }
        ("POST", ["faults"]) => body::<Fault>(request).map_or_else(refused, |fault| {
            Response::json(201, &json!({"fault_id": shared.lock().faults.add(fault)}))
        }),
        ("GET", ["faults", id]) => match number(id).and_then(|id| shared.lock().faults.state(id)) {
            Some((seen, fired)) => Response::json(200, &json!({"seen": seen, "fired": fired})),
            None => missing(),
        },
        ("DELETE", ["faults", id]) => {
            let removed = number(id).is_some_and(|id| shared.lock().faults.remove(id));
            if removed { Response::json(200, &json!({})) } else { missing() }
        }
        ("POST", ["script"]) => body::<Script>(request)
            .map_or_else(refused, |script| Response::json(201, &shared.add_script(script))),
        ("DELETE", ["script", id]) => {
            let id = number(id);
            let mut state = shared.lock();
            let before = state.scripts.len();
            state.scripts.retain(|(known, _)| Some(*known) != id);
            if state.scripts.len() < before { Response::json(200, &json!({})) } else { missing() }
        }
        ("POST", ["opt-out"]) => body::<HashMap<String, String>>(request).map_or_else(refused, |body| {
            shared.lock().register.opt_out(body.get("number").map_or("", String::as_str));
            Response::json(200, &json!({}))
        }),
        _ => missing(),
    }
}

fn body<T: serde::de::DeserializeOwned>(request: &Request) -> Result<T, String> {
    serde_json::from_slice(&request.body).map_err(|error| error.to_string())
}

#[expect(clippy::needless_pass_by_value, reason = "the shape `map_or_else` asks for")]
fn refused(detail: String) -> Response {
    Response::json(400, &json!({"detail": detail}))
}

fn missing() -> Response {
    Response::json(404, &json!({"detail": "the tap has nothing there"}))
}

fn number(text: &str) -> Option<u64> {
    text.parse().ok()
}

fn filter(request: &Request) -> (u64, String) {
    let since = pair(request.query(), "since").and_then(|since| since.parse().ok()).unwrap_or(0);
    (since, pair(request.query(), "contains").unwrap_or_default())
}
