//! `cargo local contract`, a step of `cargo local test`: asks everything that `infra/openapi.yaml` describes, rightly and
//! wrongly, and holds every answer against it.
//!
//! schemathesis makes the requests, as the people in `actors`. How an operation gets its ids stands in `contract/hooks.py`: a
//! new route needs nothing.

mod actors;

use std::{
    collections::BTreeMap,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Instant,
};

use crate::{
    error::{Context, Error, Result},
    paths,
    progress::Step,
    stack::Stack,
    venv,
};

/// How much of schemathesis's account of its failures is shown.
const EXCERPT_LINES: usize = 200;
/// How many schemathesis work side by side: the embedded gateway takes its time over each request, and most of it is waiting.
/// Processes, because its threads get into each other's way.
const SHARES: usize = 4;

/// Operations that random requests never make succeed, and why. Any other has to.
const UNREACHED: [(&str, &str); 2] = [
    ("approve_upload", "what is held is held for one state of the school, which other operations change"),
    ("enter_code", "the code is on the parent's phone; every session of this run was got with one"),
];

/// How much is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effort {
    /// What belongs into every test run.
    Usual,
    /// Many more made-up requests.
    Long,
}

impl Effort {
    /// Made-up requests per operation, beside those that cover each rule of its schema once.
    fn examples(self) -> &'static str {
        match self {
            Self::Usual => "8",
            Self::Long => "300",
        }
    }
}

/// Drives the stack; working files go below `state`.
pub async fn run(stack: &Stack, state: &Path, effort: Effort) -> Result<()> {
    let python = venv::contract()?;
    fs::create_dir_all(state).setup(format_args!("{} cannot be created", state.display()))?;
    let step = Step::start("Taking on two schools for the contract");
    let actors = actors::make(stack).await?;
    step.done();
    let actors_file = state.join("contract-actors.json");
    let actors = serde_json::to_vec(&actors).failed("the actors cannot be described")?;
    fs::write(&actors_file, actors).failed(format_args!("{} cannot be written", actors_file.display()))?;
    gather(stack, &python, &actors_file)?;
    let began = Instant::now();
    let step = Step::start("Asking everything that the contract describes");
    let mut shares = Vec::new();
    let operations = operations()?;
    for operations in shares_of(&operations) {
        shares.push(Share::start(stack, &python, state, &actors_file, shares.len(), &operations, effort)?);
    }
    let mut seen = Seen::new();
    let mut told = String::new();
    for share in shares {
        let (answers, failures) = share.finish()?;
        seen.extend(answers);
        told.push_str(&failures);
    }
    for operation in operations {
        seen.entry(operation.id).or_default();
    }
    step.done();
    if !told.is_empty() {
        println!("{told}");
        return Err(Error::Failed(
            "The API and infra/openapi.yaml differ (see above): mend whichever is wrong.".to_owned(),
        ));
    }
    let asked: u64 = seen.values().flat_map(BTreeMap::values).sum();
    println!("{} operations, {asked} requests, {} s", seen.len(), began.elapsed().as_secs());
    let missing = unreached(&seen);
    if missing.is_empty() {
        return Ok(());
    }
    Err(Error::Failed(format!(
        "Nothing made these succeed, so they were not truly tried: {}. Give the operation an example in infra/openapi.yaml, \
         make what it is about in contract/actors.rs, or say in UNREACHED why it cannot be.",
        missing.join(", ")
    )))
}

/// Adds to the actors which ids they have. Once, and before the shares begin to change anything: which ids there are, and in which
/// order, decides what each request is about, and whoever began later would find the others' things among them.
fn gather(stack: &Stack, python: &Path, actors: &Path) -> Result<()> {
    let out = Command::new(python)
        .arg(paths::runner().join("contract/gather.py"))
        .arg(contract())
        .env("BOOKBAG_API_URL", stack.api_url())
        .env("BOOKBAG_ACTORS", actors)
        .output()
        .setup("Python cannot be run")?;
    if out.status.success() {
        return Ok(());
    }
    let told = String::from_utf8_lossy(&out.stderr);
    Err(Error::Failed(format!("What there is to ask about cannot be listed: {}", told.trim())))
}

/// The contract.
fn contract() -> PathBuf {
    paths::root().join("infra/openapi.yaml")
}

/// An operation of the contract.
struct Operation {
    id: String,
    takes_body: bool,
    deletes_as_parent: bool,
}

/// All of them. The contract is read line by line: it is written one member to a line as far as this looks.
fn operations() -> Result<Vec<Operation>> {
    let contract = contract();
    let text = fs::read_to_string(&contract).failed(format_args!("{} cannot be read", contract.display()))?;
    let mut operations: Vec<Operation> = Vec::new();
    let mut deletes = false;
    for line in text.lines() {
        if line.starts_with("    ") && !line.starts_with("     ") {
            deletes = line.trim() == "delete:";
        } else if let Some(id) = line.strip_prefix("      operationId: ") {
            operations.push(Operation { id: id.to_owned(), takes_body: false, deletes_as_parent: false });
        } else if let Some(last) = operations.last_mut() {
            last.takes_body |= line == "      requestBody:";
            last.deletes_as_parent |= deletes && line == "      security: [{parent: []}]";
        }
    }
    Ok(operations)
}

/// Dealt out in turn, those first of which most is asked.
fn shares_of(operations: &[Operation]) -> Vec<Vec<&str>> {
    let (large, small): (Vec<_>, Vec<_>) = operations.iter().partition(|operation| operation.takes_body);
    let all: Vec<&str> = large.into_iter().chain(small).map(|operation| operation.id.as_str()).collect();
    (0..SHARES).map(|share| all.iter().skip(share).step_by(SHARES).copied().collect()).collect()
}

/// One schemathesis at work on some of the operations.
struct Share {
    process: Child,
    account: PathBuf,
    seen: PathBuf,
}

impl Share {
    fn start(
        stack: &Stack,
        python: &Path,
        state: &Path,
        actors: &Path,
        number: usize,
        operations: &[&str],
        effort: Effort,
    ) -> Result<Self> {
        let here = paths::runner().join("contract");
        let account = state.join(format!("contract-{number}.txt"));
        let seen = state.join(format!("contract-{number}.json"));
        if seen.exists() {
            fs::remove_file(&seen).failed(format_args!("{} cannot be removed", seen.display()))?;
        }
        let out = File::create(&account).failed(format_args!("{} cannot be written", account.display()))?;
        let process = Command::new(python.with_file_name("st"))
            .arg("--config-file")
            .arg(here.join("schemathesis.toml"))
            .args(["run", "--no-color", "--max-examples", effort.examples()])
            .args(operations.iter().flat_map(|operation| ["--include-operation-id", operation]))
            .arg(contract())
            // schemathesis leaves reports and caches where it stands.
            .current_dir(state)
            .env("BOOKBAG_API_URL", stack.api_url())
            .env("BOOKBAG_ACTORS", actors)
            .env("BOOKBAG_SEEN", &seen)
            .env("SCHEMATHESIS_HOOKS", "hooks")
            .env("PYTHONPATH", &here)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::null())
            .stderr(out.try_clone().failed("schemathesis cannot be listened to")?)
            .stdout(out)
            .spawn()
            .setup("schemathesis cannot be run")?;
        Ok(Self { process, account, seen })
    }

    /// What was answered, and what is to be said of failures.
    fn finish(mut self) -> Result<(Seen, String)> {
        let status = self.process.wait().failed("schemathesis was lost")?;
        if !status.success() {
            let account = fs::read_to_string(&self.account).unwrap_or_default();
            let told = format!("{}\n(all of it in {})\n", excerpt(&account), self.account.display());
            return Ok((Seen::new(), told));
        }
        let seen = fs::read(&self.seen).failed("schemathesis left no count of what it asked")?;
        let seen = serde_json::from_slice(&seen).failed("the count of what was asked cannot be read")?;
        Ok((seen, String::new()))
    }
}

impl Drop for Share {
    /// Where one could not start, the others are not left behind.
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Operation -> status -> how often it was answered.
type Seen = BTreeMap<String, BTreeMap<u16, u64>>;

/// The operations that never answered with success, with what they answered instead.
fn unreached(seen: &Seen) -> Vec<String> {
    let excused = |operation: &str| UNREACHED.iter().any(|(known, _)| *known == operation);
    let succeeded = |answers: &BTreeMap<u16, u64>| answers.keys().any(|status| (200..300).contains(status));
    seen.iter()
        .filter(|(operation, answers)| !excused(operation) && !succeeded(answers))
        .map(|(operation, answers)| format!("{operation} (only {:?})", answers.keys().collect::<Vec<_>>()))
        .collect()
}

/// What schemathesis says of its failures: per operation what was broken, what was sent and what came.
fn excerpt(account: &str) -> String {
    let lines: Vec<_> = account.lines().collect();
    let heading =
        |line: &&str| line.starts_with("====") && (line.contains("FAILURES") || line.contains("ERRORS"));
    let from = lines.iter().position(heading).unwrap_or(lines.len().saturating_sub(EXCERPT_LINES));
    let told = &lines[from..];
    let rest = told.len().saturating_sub(EXCERPT_LINES);
    let mut text = told[..told.len() - rest].join("\n");
    if rest > 0 {
        text = format!("{text}\n… and {rest} lines more");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_never_succeeded_is_named() {
        let seen: Seen = BTreeMap::from([
            ("get_school".to_owned(), BTreeMap::from([(200, 5), (404, 1)])),
            ("enter_code".to_owned(), BTreeMap::from([(401, 9)])),
            ("put_link".to_owned(), BTreeMap::from([(404, 2), (422, 2)])),
            ("list_people".to_owned(), BTreeMap::new()),
        ]);
        assert_eq!(unreached(&seen), ["list_people (only [])", "put_link (only [404, 422])"]);
    }

    #[test]
    fn an_excerpt_begins_with_the_failures_and_is_bounded() {
        let account = format!("v4\n==== FAILURES ====\n{}", "line\n".repeat(EXCERPT_LINES + 9));
        let told = excerpt(&account);
        assert!(told.starts_with("==== FAILURES") && told.ends_with("… and 10 lines more"), "{told}");
        assert_eq!(excerpt("schemathesis: no such option"), "schemathesis: no such option");
    }
}
