//! Families in which somebody has chosen, and what of a message then reaches whom.

use std::collections::BTreeMap;

use jiff::{Timestamp, civil::Date};

use super::*;
use crate::{
    id::SchoolId,
    message::audience::{Audience, resolve},
    person::{
        Person, Role,
        made_up::{Families, responsible},
    },
    privacy::consent::{By, Choice, Consents},
};

const TODAY: Date = jiff::civil::date(2026, 11, 22);
const BOTH: [Channel; 2] = [Channel::Sms, Channel::Email];

/// A register of some choices: person, purpose, channel, allowed.
fn register(choices: &[(PersonId, Purpose, Channel, bool)]) -> Register {
    let school = SchoolId::new(Timestamp::UNIX_EPOCH, &[1; 10]);
    let mut register = Register::default();
    for (person, purpose, channel, allowed) in choices.iter().copied() {
        let before = register.of(person).cloned().unwrap_or_else(|| Consents::none(school, person));
        let choice = Choice { purpose, channel, allowed: Some(allowed) };
        let after = before.decide(&[choice], &Channel::ALL, &By::Parent, Timestamp::UNIX_EPOCH).unwrap();
        register.put(after);
    }
    register
}

/// Two parents of one pupil, each with an address of their own, and on one mobile.
fn family() -> (Families, PersonId, [PersonId; 2]) {
    let mut school = Families::default();
    let pupil = school.pupil("Ann Smith", "3", "3A");
    let parents = ["mary", "john"].map(|name| {
        let parent =
            school.contact(&format!("{name} Smith"), &format!("{name}@example.com"), &["07700 900001"]);
        school.link(pupil, parent, responsible());
        parent
    });
    (school, pupil, parents)
}

/// Who is written to by which way, and why others are not.
type Reached = (Vec<(Channel, PersonId)>, BTreeMap<PersonId, Reason>);

fn reached(school: &Families, register: &Register, purpose: Purpose, channels: &[Channel]) -> Reached {
    let everybody = Audience::default();
    let resolution = resolve(&school.directory, register, &everybody, purpose, channels, TODAY);
    for (channel, recipients) in &resolution.recipients {
        for recipient in recipients {
            // Nobody has chosen anew, so nothing is lost by looking again.
            let again = still_chosen(register, recipient.clone(), purpose, *channel);
            assert_eq!(again.as_ref(), Some(recipient));
        }
    }
    let written = resolution
        .recipients
        .iter()
        .flat_map(|(channel, recipients)| recipients.iter().map(|recipient| (*channel, recipient.person)));
    (written.collect(), resolution.excluded)
}

#[test]
fn who_does_not_want_one_way_is_reached_by_the_next() {
    use Channel::{Email, Sms};
    let (school, _, [mother, father]) = family();
    let register = register(&[(mother, Purpose::Service, Sms, false)]);
    // The father still gets the text, on the number that both have.
    let both = reached(&school, &register, Purpose::Service, &BOTH);
    assert_eq!(both, (vec![(Email, mother), (Sms, father)], BTreeMap::new()));
    let text_only = reached(&school, &register, Purpose::Service, &[Sms]);
    assert_eq!(text_only, (vec![(Sms, father)], BTreeMap::from([(mother, Reason::OptedOut)])));
    // It was said of everyday messages, and of nothing else.
    for purpose in [Purpose::Emergency, Purpose::Consent, Purpose::Attendance] {
        let (written, excluded) = reached(&school, &register, purpose, &[Sms]);
        assert_eq!(written, [(Sms, mother)], "{purpose:?}");
        assert_eq!(excluded, BTreeMap::from([(father, Reason::Duplicate)]));
    }
}

#[test]
fn who_wants_no_text_reads_it_in_the_app_if_the_message_goes_there() {
    use Channel::{App, Sms};
    let (school, _, [mother, father]) = family();
    let off = register(&[(mother, Purpose::Service, Sms, false)]);
    let (written, excluded) = reached(&school, &off, Purpose::Service, &[Sms, App]);
    assert_eq!((written, excluded), (vec![(Sms, father), (App, mother)], BTreeMap::new()));
    // Nobody consents to marketing there.
    let (written, excluded) = reached(&school, &Register::default(), Purpose::Marketing, &[Sms, App]);
    let nobody = BTreeMap::from([(mother, Reason::NoConsent), (father, Reason::NoConsent)]);
    assert_eq!((written, excluded), (vec![], nobody));
}

#[test]
fn an_absence_is_told_whatever_was_chosen() {
    use Channel::{Email, Sms};
    let (school, _, [mother, father]) = family();
    let register =
        register(&[(mother, Purpose::Attendance, Sms, false), (father, Purpose::Attendance, Email, false)]);
    let (written, _) = reached(&school, &register, Purpose::Attendance, &BOTH);
    assert_eq!(written, [(Email, mother), (Sms, father)]);
    let (written, excluded) = reached(&school, &register, Purpose::Attendance, &[Sms]);
    assert_eq!((written, excluded), (vec![(Sms, mother)], BTreeMap::from([(father, Reason::Duplicate)])));
}

#[test]
fn marketing_goes_where_it_was_consented_to_and_nowhere_else() {
    use Channel::{Email, Sms};
    let (mut school, pupil, [mother, father]) = family();
    let teacher = school.add(Person {
        emails: ["tess@example.com".parse().unwrap()].into(),
        ..Person::named(Role::Staff, crate::person::name::PersonName::new("Tess", "Teacher"))
    });
    let yes = |person, channel| (person, Purpose::Marketing, channel, true);
    let no = |person, channel| (person, Purpose::Marketing, channel, false);
    let of = |choices: &[_], channels: &[Channel]| {
        reached(&school, &register(choices), Purpose::Marketing, channels)
    };
    let left_out = |reasons: &[(PersonId, Reason)]| reasons.iter().copied().collect::<BTreeMap<_, _>>();
    // By the channel that was named, not by the one the sender likes best; and for oneself alone.
    assert_eq!(
        of(&[yes(mother, Email)], &BOTH),
        (vec![(Email, mother)], left_out(&[(father, Reason::NoConsent)]))
    );
    // A consent to texts holds for the number that both read, until one of them objects.
    assert_eq!(
        of(&[yes(mother, Sms)], &[Sms]),
        (vec![(Sms, mother)], left_out(&[(father, Reason::NoConsent)]))
    );
    let objected = [(mother, Reason::OptedOut), (father, Reason::OptedOut)];
    assert_eq!(of(&[yes(mother, Sms), no(father, Sms)], &[Sms]), (vec![], left_out(&objected)));
    // An objection to texts says nothing of mail.
    assert_eq!(
        of(&[yes(mother, Sms), yes(mother, Email), no(father, Sms)], &BOTH),
        (vec![(Email, mother)], left_out(&[(father, Reason::OptedOut)]))
    );
    // A pupil's own word ends what is about them, by every way.
    assert_eq!(
        of(&[yes(mother, Email), no(pupil, Sms)], &BOTH),
        (vec![], left_out(&[(mother, Reason::OptedOut), (father, Reason::OptedOut)]))
    );
    // Staff are asked like everybody else.
    let staff = Audience { roles: vec![Role::Staff], ..Audience::default() };
    let to_staff = |choices: &[_]| {
        resolve(&school.directory, &register(choices), &staff, Purpose::Marketing, &BOTH, TODAY)
    };
    assert_eq!(to_staff(&[]).excluded, left_out(&[(teacher, Reason::NoConsent)]));
    assert_eq!(to_staff(&[yes(teacher, Email)]).count(), 1);
}

#[test]
fn whoever_chooses_anew_is_looked_at_again() {
    use Channel::Sms;
    let (school, pupil, [mother, father]) = family();
    let consented = [(mother, Purpose::Marketing, Sms, true)];
    let everybody = Audience::default();
    let of = |purpose, register: &Register| {
        let resolution = resolve(&school.directory, register, &everybody, purpose, &[Sms], TODAY);
        resolution.recipients[&Sms][0].clone()
    };
    let still = |recipient: &Recipient, choices: &[_], purpose| {
        still_chosen(&register(choices), recipient.clone(), purpose, Sms).is_some()
    };
    let marketing = of(Purpose::Marketing, &register(&consented));
    assert_eq!((marketing.person, &marketing.others), (mother, &vec![father]));
    assert!(still(&marketing, &consented, Purpose::Marketing));
    for withdrawn in [mother, father, pupil] {
        let now = [consented[0], (withdrawn, Purpose::Marketing, Sms, false)];
        assert!(!still(&marketing, &now, Purpose::Marketing), "{withdrawn}");
    }
    assert!(!still(&marketing, &[], Purpose::Marketing), "a consent that is no more is none");

    // One text to both: it goes as long as one of them wants it.
    let service = of(Purpose::Service, &Register::default());
    assert_eq!((service.person, &service.also), (mother, &vec![father]));
    let off = |person| (person, Purpose::Service, Sms, false);
    assert!(still(&service, &[off(mother)], Purpose::Service));
    assert!(!still(&service, &[off(mother), off(father)], Purpose::Service));
    let absence = [(mother, Purpose::Attendance, Sms, false), (father, Purpose::Attendance, Sms, false)];
    assert!(still(&service, &absence, Purpose::Attendance));
}
