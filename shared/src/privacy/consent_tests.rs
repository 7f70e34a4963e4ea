//! What may be chosen, what is kept of it, and what counts when two say different things.

use super::*;
use crate::time::days;

const BOTH: [Channel; 2] = [Channel::Email, Channel::Sms];

fn at(day: i64) -> Timestamp {
    "2026-10-01T09:00:00Z".parse::<Timestamp>().unwrap() + days(day)
}

fn nobody() -> Consents {
    let at = Timestamp::UNIX_EPOCH;
    Consents::none(SchoolId::new(at, &[1; 10]), PersonId::new(at, &[2; 10]))
}

fn choice(purpose: Purpose, channel: Channel, allowed: impl Into<Option<bool>>) -> Choice {
    Choice { purpose, channel, allowed: allowed.into() }
}

fn decide(before: &Consents, choices: &[Choice], day: i64) -> Consents {
    before.decide(choices, &BOTH, &By::Parent, at(day)).unwrap()
}

fn paper(day: i64) -> By {
    By::School { staff: "s".to_owned(), taken_on: crate::time::date_in("Europe/London", at(day)) }
}

/// Place and code of each fault.
fn faults(result: Result<Consents, Vec<(usize, Fault)>>) -> Vec<(usize, &'static str)> {
    result.unwrap_err().into_iter().map(|(place, (code, _))| (place, code)).collect()
}

#[test]
fn without_a_choice_everything_but_marketing_comes() {
    use Purpose::{Emergency, Marketing};
    for row in nobody().rows(&BOTH) {
        let (allowed, can_change) = match (row.purpose, row.channel) {
            (Marketing, Channel::App) => (Some(false), false),
            (Marketing, _) => (None, true),
            (Emergency, _) | (_, Channel::App) => (Some(true), false),
            _ => (Some(true), true),
        };
        assert_eq!((row.allowed, row.can_change), (allowed, can_change), "{row:?}");
    }
    assert_eq!(nobody().rows(&BOTH).len(), Purpose::ALL.len() * Channel::ALL.len());
    // Who has only one way keeps it.
    for row in nobody().rows(&[Channel::Sms]).into_iter().filter(|row| row.channel != Channel::App) {
        let only_way = row.channel == Channel::Sms && row.purpose != Marketing;
        assert_eq!(row.can_change, !only_way && row.purpose != Emergency, "{row:?}");
    }
}

#[test]
fn a_choice_is_kept_with_what_led_there() {
    use Purpose::{Marketing, Service};
    let first = decide(&nobody(), &[choice(Marketing, Channel::Email, true)], 0);
    assert_eq!((first.version, first.choice(Marketing, Channel::Email)), (1, Some(true)));
    let withdrawn = decide(&first, &[choice(Marketing, Channel::Email, false)], 1);
    let forgotten = decide(&withdrawn, &[choice(Marketing, Channel::Email, None)], 2);
    assert_eq!((forgotten.version, forgotten.choice(Marketing, Channel::Email)), (3, None));
    let told: Vec<_> = forgotten.changes.iter().map(|change| (change.allowed, change.at)).collect();
    assert_eq!(told, [(Some(true), at(0)), (Some(false), at(1)), (None, at(2))]);
    // A consent is to a text; saying no is to nothing.
    let wordings: Vec<_> = forgotten.changes.iter().map(|change| change.wording.as_deref()).collect();
    assert_eq!(wordings, [Some(WORDING_VERSION), None, None]);

    // What is so already, by choice or anyway, is no change, and no version.
    let unchanged = [
        choice(Marketing, Channel::Email, true),
        choice(Service, Channel::Email, true),
        choice(Service, Channel::Sms, None),
        choice(Purpose::Emergency, Channel::Sms, true),
        choice(Marketing, Channel::App, None),
        choice(Service, Channel::App, true),
    ];
    assert_eq!(decide(&first, &unchanged, 1), first);
    let text = serde_json::to_string(&first).unwrap();
    assert_eq!(serde_json::from_str::<Consents>(&text).unwrap(), first);
    assert!(serde_json::from_str::<Choice>(r#"{"purpose":"service","channel":"sms"}"#).is_err());
}

#[test]
fn what_cannot_be_chosen_is_refused_by_place() {
    use Purpose::{Attendance, Consent, Emergency, Marketing, Service};
    let parent =
        |choices: &[Choice], usable: &[Channel]| nobody().decide(choices, usable, &By::Parent, at(0));
    let off = |purpose, channel| choice(purpose, channel, false);
    let marketing_twice = [off(Marketing, Channel::Sms), choice(Marketing, Channel::Sms, true)];
    assert_eq!(faults(parent(&marketing_twice, &BOTH)), [(1, "repeated")]);
    assert_eq!(faults(parent(&[off(Emergency, Channel::Sms)], &BOTH)), [(0, "fixed")]);
    assert_eq!(faults(parent(&[off(Service, Channel::App)], &BOTH)), [(0, "fixed")]);
    assert_eq!(faults(parent(&[choice(Marketing, Channel::App, true)], &BOTH)), [(0, "fixed")]);
    for purpose in [Service, Attendance, Consent] {
        let all = CHOOSABLE.map(|channel| off(purpose, channel));
        let everywhere: Vec<_> = (0..all.len()).map(|place| (place, "last_channel")).collect();
        for usable in [&BOTH[..], &BOTH[..1], &[]] {
            assert_eq!(faults(parent(&all, usable)), everywhere, "{purpose:?} {usable:?}");
        }
        assert!(parent(&all[..1], &BOTH).is_ok());
        // An address that they do not have is no way.
        assert_eq!(faults(parent(&[off(purpose, Channel::Email)], &BOTH[..1])), [(0, "last_channel")]);
    }
    // Whose address is gone since may still change something else.
    let by_email = decide(&nobody(), &[off(Service, Channel::Sms)], 0);
    let later = [off(Service, Channel::Sms), off(Marketing, Channel::Sms)];
    assert!(by_email.decide(&later, &[Channel::Sms], &By::Parent, at(1)).is_ok());
    let row = by_email
        .rows(&[Channel::Sms])
        .into_iter()
        .find(|row| (row.purpose, row.channel) == (Service, Channel::Sms));
    assert!(row.is_some_and(|row| row.can_change), "what is off can be switched on");
}

#[test]
fn a_paper_does_not_overrule_what_was_said_since() {
    use Purpose::Marketing;
    let yes = choice(Marketing, Channel::Sms, true);
    let no = choice(Marketing, Channel::Sms, false);
    let withdrawn = decide(&nobody(), &[no], 5);
    let on_paper = |before: &Consents, choice, day| before.decide(&[choice], &BOTH, &paper(day), at(9));
    assert_eq!(faults(on_paper(&withdrawn, yes, 4)), [(0, "decided_since")]);
    let of_the_day = on_paper(&withdrawn, yes, 5).unwrap();
    assert_eq!(of_the_day.changes[1].by, paper(5));
    assert_eq!(of_the_day.changes[1].wording, None, "a paper has a text of its own");
    assert_eq!(
        faults(on_paper(&of_the_day, choice(Marketing, Channel::Sms, None), 4)),
        [(0, "decided_since")]
    );
    // To stop, no paper is too old; and what is so already is no question.
    assert_eq!(on_paper(&of_the_day, no, 0).unwrap().choice(Marketing, Channel::Sms), Some(false));
    assert_eq!(on_paper(&of_the_day, yes, 0).unwrap(), of_the_day);
}

#[test]
fn a_consent_needs_the_text_it_is_given_to() {
    let yes = choice(Purpose::Marketing, Channel::Email, true);
    assert!(nobody().gives_consent(&[yes]));
    assert!(!decide(&nobody(), &[yes], 0).gives_consent(&[yes]));
    let others =
        [choice(Purpose::Service, Channel::Email, true), choice(Purpose::Marketing, Channel::Sms, false)];
    assert!(!nobody().gives_consent(&others));
}

#[test]
fn evidence_is_kept_as_long_as_something_rests_on_it() {
    use Purpose::{Marketing, Service};
    let consent = decide(&nobody(), &[choice(Marketing, Channel::Email, true)], 0);
    let mut often = consent.clone();
    for day in 0..300 {
        often = decide(&often, &[choice(Service, Channel::Sms, day % 2 == 1)], 1 + day);
    }
    assert_eq!(often.changes.len(), MAX_CHANGES + 1);
    assert_eq!(often.changes[0], consent.changes[0], "the consent in force stays");
    // Six years on, what was replaced is gone, and what is in force is not.
    let later = decide(&often, &[choice(Service, Channel::Email, false)], 300 + 2_192);
    let left: Vec<_> = later.changes.iter().map(|change| (change.purpose, change.channel)).collect();
    assert_eq!(left, [(Marketing, Channel::Email), (Service, Channel::Sms), (Service, Channel::Email)]);

    let mut gone = consent;
    assert!(!gone.is_due(at(9_999)));
    gone.ended_at = Some(at(0));
    assert_eq!([gone.is_due(at(2_191)), gone.is_due(at(2_192))], [false, true]);
}

#[test]
fn an_objection_ends_marketing_by_every_way() {
    let by = By::Request { request_id: RequestId::new(Timestamp::UNIX_EPOCH, &[3; 10]) };
    let objected =
        decide(&nobody(), &[choice(Purpose::Marketing, Channel::Email, true)], 0).objected(&by, at(1));
    assert!(CHOOSABLE.iter().all(|channel| objected.choice(Purpose::Marketing, *channel) == Some(false)));
    assert_eq!(objected.version, 2);
    assert_eq!(objected.objected(&by, at(2)), objected, "once is enough");
}

#[test]
fn of_two_records_of_one_person_the_newest_word_counts() {
    let yes = decide(&nobody(), &[choice(Purpose::Marketing, Channel::Sms, true)], 0);
    let no = decide(&nobody(), &[choice(Purpose::Marketing, Channel::Sms, false)], 1);
    for (kept, other) in [(&yes, &no), (&no, &yes)] {
        let one = kept.joined(other);
        assert_eq!(one.choice(Purpose::Marketing, Channel::Sms), Some(false));
        assert_eq!((one.changes.len(), one.version), (2, 2));
    }
}
