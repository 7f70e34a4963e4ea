//! What is due when, and which decisions can be made.

use super::*;
use crate::{
    person::{DateOfBirth, name::PersonName},
    time::days,
};

fn data_key() -> DataKey {
    DataKey::new(&[7; 32])
}

fn request(kind: Kind) -> SubjectRequest {
    let at = Timestamp::UNIX_EPOCH;
    let (school_id, request_id) = (SchoolId::new(at, &[1; 10]), RequestId::new(at, &[2; 10]));
    let details = Details { note: Some("the old number".to_owned()), ..Details::default() };
    SubjectRequest {
        school_id,
        request_id,
        kind,
        person_id: PersonId::new(at, &[3; 10]),
        made_by: MadeBy::Contact(PersonId::new(at, &[3; 10])),
        needs_authority: false,
        details: SubjectRequest::seal(&data_key(), school_id, request_id, &details),
        received_on: jiff::civil::date(2026, 11, 25),
        steps: Vec::new(),
        told_at: None,
        version: 1,
    }
}

fn day(text: &str) -> Date {
    text.parse().unwrap()
}

fn decide(
    request: &SubjectRequest,
    decision: Decision,
    note: Option<&str>,
    on: &str,
) -> Result<SubjectRequest, Refusal> {
    let now = format!("{on}T12:00:00Z").parse().unwrap();
    request.decide(&data_key(), (decision, note), "staff", (now, day(on)))
}

#[test]
fn a_request_is_due_until_it_is_answered() {
    use Decision::{Acknowledged, Completed, Extended};
    let access = request(Kind::Access);
    assert_eq!(access.due_on(), Some(day("2026-12-29")));
    assert_eq!(access.aim_on(), day("2026-12-23"));
    let acknowledged = decide(&access, Acknowledged, None, "2026-11-26").unwrap();
    assert_eq!(acknowledged.due_on(), access.due_on(), "to say that it came in is no answer");
    let extended = decide(&acknowledged, Extended, Some("It is much."), "2026-12-29").unwrap();
    assert_eq!(extended.due_on(), Some(day("2027-02-25")));
    let done = decide(&extended, Completed, None, "2027-02-01").unwrap();
    assert_eq!((done.due_on(), done.version), (None, 4));
    assert_eq!(done.closed().map(|step| step.decision), Some(Completed));

    // What a complaint is owed by a day is the acknowledgement.
    let complaint = request(Kind::Complaint);
    assert_eq!(complaint.due_on(), Some(day("2026-12-29")));
    let acknowledged = decide(&complaint, Acknowledged, None, "2026-12-01").unwrap();
    assert_eq!((acknowledged.due_on(), acknowledged.closed().is_some()), (None, false));
}

#[test]
fn decisions_that_cannot_be_are_refused() {
    use Decision::{Acknowledged, Completed, Extended, PartlyCompleted, Refused, Withdrawn};
    let access = request(Kind::Access);
    for decision in [Extended, PartlyCompleted, Refused] {
        assert_eq!(
            decide(&access, decision, None, "2026-12-01").err(),
            Some(Refusal::NoReason),
            "{decision:?}"
        );
    }
    assert_eq!(decide(&access, Extended, Some("x"), "2026-12-30").err(), Some(Refusal::TooLate));
    assert_eq!(
        decide(&request(Kind::Complaint), Extended, Some("x"), "2026-12-01").err(),
        Some(Refusal::Complaint)
    );
    let extended = decide(&access, Extended, Some("x"), "2026-12-01").unwrap();
    assert_eq!(decide(&extended, Extended, Some("x"), "2026-12-02").err(), Some(Refusal::Repeated));
    for closing in [Completed, PartlyCompleted, Refused, Withdrawn] {
        let closed = decide(&access, closing, Some("x"), "2026-12-01").unwrap();
        for next in [Acknowledged, Extended, Completed, Withdrawn] {
            assert_eq!(decide(&closed, next, Some("x"), "2026-12-02").err(), Some(Refusal::Closed));
        }
    }
}

#[test]
fn what_was_asked_and_answered_is_sealed_in_its_place() {
    let access = request(Kind::Access);
    let refused = decide(&access, Decision::Extended, Some("It is much."), "2026-12-01").unwrap();
    let refused = decide(&refused, Decision::Refused, Some("We hold nothing."), "2026-12-02").unwrap();
    assert_eq!(refused.details(&data_key()).unwrap().note.as_deref(), Some("the old number"));
    let told = |step| refused.note(&data_key(), step).unwrap();
    assert_eq!(
        [told(0).as_deref(), told(1).as_deref(), told(2).as_deref()],
        [Some("It is much."), Some("We hold nothing."), None]
    );
    let text = serde_json::to_string(&refused).unwrap();
    assert!(!text.contains("number") && !text.contains("nothing"), "{text}");
    let mut swapped = refused.clone();
    swapped.steps.swap(0, 1);
    assert!(swapped.note(&data_key(), 0).is_err());
}

#[test]
fn a_closed_request_is_kept_for_three_years() {
    let access = request(Kind::Access);
    let at = |after: i64| "2026-12-01T12:00:00Z".parse::<Timestamp>().unwrap() + days(after);
    assert!(!access.is_due(at(9_999)), "an open one waits for ever");
    let closed = decide(&access, Decision::Completed, None, "2026-12-01").unwrap();
    assert_eq!([closed.is_due(at(1_095)), closed.is_due(at(1_096))], [false, true]);
}

/// Edge case 32: whoever asks for a pupil who can ask for themselves needs their authority.
#[test]
fn edge_case_32_sixth_formers_speak_for_themselves() {
    let pupil = |year: Option<&str>, born: Option<Date>| Person {
        year_group: year.map(Into::into),
        date_of_birth: born.map(DateOfBirth),
        ..Person::named(Role::Pupil, PersonName::new("Ada", "Smith"))
    };
    let today = day("2026-11-22");
    for (person, expected) in [
        (pupil(Some("12"), None), true),
        (pupil(Some("13"), Some(day("2009-01-01"))), true),
        (pupil(Some("11"), Some(day("2010-11-22"))), true),
        (pupil(Some("11"), Some(day("2010-11-23"))), false),
        (pupil(Some("R"), None), false),
        (pupil(None, None), false),
    ] {
        assert_eq!(speaks_for_themselves(&person, today), expected);
        let parent = Person { role: Role::Contact, ..person };
        assert!(!speaks_for_themselves(&parent, today));
    }
}

#[test]
fn notes_are_text_of_half_a_page() {
    assert_eq!(read_note(None), Ok(None));
    assert_eq!(read_note(Some(" \n ")), Ok(None));
    assert_eq!(read_note(Some(" Dear school,\nplease. ")), Ok(Some("Dear school,\nplease.".to_owned())));
    assert!(read_note(Some(&"x".repeat(2_001))).is_err() && read_note(Some(&"ŷ".repeat(2_000))).is_ok());
    assert!(read_note(Some("a\u{0}b")).is_err());
}
