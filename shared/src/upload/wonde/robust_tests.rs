//! What no school sends.

use proptest::prelude::*;
use serde_json::json;

use super::{
    tests::{found, page, pupil, roll_of, student, with},
    *,
};
use crate::upload::MAX_BYTES;

#[test]
fn a_record_costs_no_more_than_its_length() {
    // Deeper than the parser goes, deeper than a path is followed, and longer than any record.
    let nested = |depth: usize| format!("{}7{}", r#"{"abcdefgh":"#.repeat(depth), "}".repeat(depth));
    let long = "x".repeat(2 * 1024 * 1024);
    let text = format!(
        r#"{{"data": [{{"id": "A1", "x": {}}}, {{"id": "A2", "x": {}}}, {{"id": "A3", "x": "{long}"}}, null]}}"#,
        nested(1000),
        nested(100)
    );
    let roll = roll_of(text.as_bytes(), &Role::ALL).unwrap();
    let invalid: Vec<_> = found(&roll)
        .into_iter()
        .filter(|(.., code)| *code == "record_invalid")
        .map(|(row, ..)| row)
        .collect();
    assert_eq!(invalid, [1, 3, 4]);
    // Many names, many contacts, many numbers.
    let names: serde_json::Map<_, _> =
        (0..5000).map(|n| (format!("n{}", crate::upload::finding::letters(n)), json!(1))).collect();
    let contacts = vec![json!({"forename": "A", "surname": "B", "email": vec!["a@example.com"; 150]}); 110];
    let mut record = student();
    record.as_object_mut().unwrap().extend(names);
    record["contacts"] = json!(contacts);
    let roll = roll_of(json!([record]).to_string().as_bytes(), &Role::ALL).unwrap();
    assert!(roll.findings.len() <= MAX_NAMES + 20, "{}", roll.findings.len());
    assert!(found(&roll).contains(&(1, "students.data[].contacts", "record_invalid")));
    assert_eq!(pupil(&roll).name.given(), "Zoë");
    // Many groups leave room for everything else.
    let groups: Vec<_> = (0..300).map(|n| json!({"name": crate::upload::finding::letters(n)})).collect();
    let roll =
        roll_of(json!([with(student(), &json!({"groups": groups}))]).to_string().as_bytes(), &Role::ALL)
            .unwrap();
    assert_eq!((pupil(&roll).groups.len(), pupil(&roll).name.given()), (102, "Zoë"));
    // Opened and never closed, as large as a file may be.
    assert_eq!(roll_of(&vec![b'['; MAX_BYTES], &Role::ALL).map(|_| ()), Err(Refusal::BrokenJson));
}

fn any_json() -> impl Strategy<Value = Value> {
    const NAMES: &str = "data|meta|id|students|contacts|deletions|employees|type|forename|pagination|more|date|upn|relationship|court_order|a";
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "student|A1|.{0,5}".prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map(NAMES, inner, 0..6)
                .prop_map(|members| members.into_iter().collect::<serde_json::Map<_, _>>().into()),
        ]
    })
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes: Vec<u8>) {
        let _ = roll_of(&bytes, &Role::ALL);
    }

    #[test]
    fn no_json_panics(value in any_json()) {
        let _ = roll_of(value.to_string().as_bytes(), &Role::ALL);
        let _ = roll_of(json!({"students": [with(student(), &json!({"contacts": value}))]}).to_string().as_bytes(), &Role::ALL);
    }

    #[test]
    fn no_mutation_panics(at in 0_usize..2000, length in 0_usize..40, put: Vec<u8>) {
        let mut bytes = page(&[student()], 1, false).to_string().into_bytes();
        let at = at.min(bytes.len());
        let end = (at + length).min(bytes.len());
        bytes.splice(at..end, put);
        let _ = roll_of(&bytes, &Role::ALL);
    }
}
