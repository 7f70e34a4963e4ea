//! Whom a message reaches: tables of small families, and the sums that hold for any of them.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use proptest::{collection::vec, prelude::*, sample::subsequence};

use super::*;

const TODAY: Date = jiff::civil::date(2026, 11, 22);
use crate::person::{
    SourceId,
    guardianship::{Relationship, Responsibility},
    made_up::{Families, responsible},
    name::PersonName,
};

const BOTH: [Channel; 2] = [Channel::Email, Channel::Sms];

/// As long as nobody has chosen anything.
fn resolve(
    directory: &Directory,
    audience: &Audience,
    purpose: Purpose,
    channels: &[Channel],
    today: Date,
) -> Resolution {
    super::resolve(directory, &Register::default(), audience, purpose, channels, today)
}

fn years(years: &[&str]) -> Audience {
    Audience { year_groups: years.iter().map(|year| (*year).to_owned()).collect(), ..Audience::default() }
}

fn service(families: &Families, audience: &Audience) -> Resolution {
    resolve(&families.directory, audience, Purpose::Service, &BOTH, TODAY)
}

fn reached(resolution: &Resolution) -> Vec<PersonId> {
    resolution.recipients.values().flatten().map(|recipient| recipient.person).collect()
}

#[test]
fn the_first_channel_that_reaches_a_person_is_theirs() {
    let mut school = Families::default();
    let pupil = school.pupil("Ann Smith", "3", "3A");
    let both = school.contact("Mary Smith", "mary@example.com", &["07700 900001"]);
    let phone = school.contact("John Smith", "", &["07700 900002"]);
    let landline = school.contact("Gran Smith", "", &["01632 960001"]);
    let damaged = school.contact("Aunt Smith", "", &[]);
    school.person(damaged).unusable_contact_point = true;
    let abroad = school.contact("Uncle Smith", "", &["+33 6 12 34 56 78"]);
    let silent = school.contact("Nan Smith", "", &[]);
    for contact in [both, phone, landline, damaged, abroad, silent] {
        school.link(pupil, contact, responsible());
    }
    let of = |resolution: &Resolution, channel| {
        resolution
            .recipients
            .get(&channel)
            .into_iter()
            .flatten()
            .map(|recipient| recipient.person)
            .collect::<Vec<_>>()
    };
    let email_first = service(&school, &years(&["3"]));
    assert_eq!((of(&email_first, Channel::Email), of(&email_first, Channel::Sms)), (vec![both], vec![phone]));
    let left_out = [
        (landline, Reason::LandlineOnly),
        (damaged, Reason::Invalid),
        (abroad, Reason::NotEnabled),
        (silent, Reason::NoContact),
    ];
    assert_eq!(email_first.excluded, BTreeMap::from(left_out));
    let sms_first =
        resolve(&school.directory, &years(&["3"]), Purpose::Service, &[Channel::Sms, Channel::Email], TODAY);
    assert_eq!((of(&sms_first, Channel::Email), of(&sms_first, Channel::Sms)), (vec![], vec![both, phone]));
    let email_only = resolve(&school.directory, &years(&["3"]), Purpose::Service, &[Channel::Email], TODAY);
    assert_eq!(reached(&email_only), [both]);
    assert_eq!(email_only.excluded.get(&phone), Some(&Reason::NoContact));
}

#[test]
fn the_app_is_for_who_could_sign_in_and_comes_last() {
    let mut school = Families::default();
    let pupil = school.pupil("Ann Smith", "3", "3A");
    let both = school.contact("Mary Smith", "mary@example.com", &["07700 900001"]);
    let phone = school.contact("John Smith", "", &["07700 900002"]);
    let second = school.contact("Jo Smith", "jo@example.com", &[]);
    let silent = school.contact("Nan Smith", "", &[]);
    for contact in [both, phone, second, silent] {
        school.link(pupil, contact, responsible());
    }
    // Brings the child up, and may hold no account: others come first.
    *school.tie(pupil, second) =
        Link { relationship: Relationship::Mother, priority: Some(2), ..Link::default() };
    let of = |channels: &[Channel]| {
        let resolution = resolve(&school.directory, &years(&["3"]), Purpose::Service, channels, TODAY);
        let app = resolution.recipients.get(&Channel::App).into_iter().flatten();
        let app: Vec<_> = app.map(|recipient| (recipient.person, recipient.pupils.clone())).collect();
        (app, resolution.excluded.into_iter().collect::<Vec<_>>())
    };
    let (alone, left_out) = of(&[Channel::App]);
    assert_eq!(alone, [(both, vec![pupil]), (phone, vec![pupil])]);
    assert_eq!(left_out, [(second, Reason::NotEnabled), (silent, Reason::NoContact)]);
    for channels in [[Channel::App, Channel::Email], [Channel::Email, Channel::App]] {
        assert_eq!(of(&channels), (vec![(phone, vec![pupil])], vec![(silent, Reason::NoContact)]));
    }
}

#[test]
fn rights_decide_by_purpose() {
    use Purpose::{Attendance, Consent, Emergency, Marketing, Service};
    let with = |parental_responsibility, priority, relationship| Link {
        relationship,
        parental_responsibility,
        priority,
        ..Link::default()
    };
    let restricted = Link { restricted: true, ..responsible() };
    let everyday = [Service, Attendance, Consent];
    // (link, everyday, emergency)
    for (link, in_everyday, in_emergency) in [
        (responsible(), None, None),
        (restricted.clone(), Some(Reason::Restricted), Some(Reason::Restricted)),
        (with(Responsibility::No, Some(1), Relationship::Mother), Some(Reason::NoResponsibility), None),
        (with(Responsibility::Unknown, Some(1), Relationship::Other), None, None),
        (with(Responsibility::Unknown, Some(2), Relationship::Father), None, None),
        (with(Responsibility::Unknown, Some(2), Relationship::Guardian), None, None),
        (
            with(Responsibility::Unknown, Some(2), Relationship::Grandparent),
            Some(Reason::NoResponsibility),
            None,
        ),
        (with(Responsibility::Unknown, None, Relationship::Other), Some(Reason::NoResponsibility), None),
    ] {
        for purpose in everyday {
            assert_eq!(permits(&link, purpose).err(), in_everyday, "{link:?} {purpose:?}");
        }
        assert_eq!(permits(&link, Emergency).err(), in_emergency, "{link:?}");
        assert_eq!(permits(&link, Marketing).err(), in_everyday, "{link:?}");
    }
}

#[test]
fn marketing_reaches_nobody_who_has_not_consented() {
    let mut school = Families::default();
    let pupil = school.pupil("Ann Smith", "3", "3A");
    let mother = school.contact("Mary Smith", "mary@example.com", &[]);
    school.link(pupil, mother, responsible());
    let mut teacher = Person::named(Role::Staff, PersonName::new("Tess", "Teacher"));
    teacher.emails = ["tess@example.com".parse().unwrap()].into();
    let teacher = school.add(teacher);
    let audience = Audience { roles: vec![Role::Contact, Role::Staff], ..Audience::default() };
    let resolution = resolve(&school.directory, &audience, Purpose::Marketing, &BOTH, TODAY);
    assert_eq!(resolution.count(), 0);
    assert_eq!(
        resolution.excluded,
        BTreeMap::from([(mother, Reason::NoConsent), (teacher, Reason::NoConsent)])
    );
    assert_eq!(
        reached(&resolve(&school.directory, &audience, Purpose::Service, &BOTH, TODAY)),
        [mother, teacher]
    );
}

#[test]
fn siblings_and_shared_contact_points_make_one_message() {
    let mut school = Families::default();
    let twins = [school.pupil("Ann Smith", "3", "3A"), school.pupil("Ben Smith", "3", "3B")];
    let mother = school.contact("Mary Smith", "family@example.com", &["07700 900001"]);
    let father = school.contact("John Smith", "Family@Example.com", &["07700 900002"]);
    for twin in twins {
        school.link(twin, mother, responsible());
    }
    school.link(twins[1], father, responsible());
    let resolution = service(&school, &years(&["3"]));
    let recipient = Recipient { person: mother, pupils: twins.to_vec(), also: vec![father], others: vec![] };
    assert_eq!(resolution.recipients, BTreeMap::from([(Channel::Email, vec![recipient])]));
    assert_eq!(resolution.excluded, BTreeMap::from([(father, Reason::Duplicate)]));
    // By text they have a number each.
    let texts = resolve(&school.directory, &years(&["3"]), Purpose::Service, &[Channel::Sms], TODAY);
    assert_eq!((texts.count(), texts.excluded.len()), (2, 0));
}

#[test]
fn two_parents_on_one_mobile_get_one_text() {
    let mut school = Families::default();
    let pupil = school.pupil("Ann Smith", "3", "3A");
    let mother = school.contact("Mary Smith", "", &["07700 900001"]);
    let father = school.contact("John Smith", "", &["+44 7700 900001"]);
    for contact in [mother, father] {
        school.link(pupil, contact, responsible());
    }
    let resolution = service(&school, &years(&["3"]));
    assert_eq!(
        (reached(&resolution), resolution.reasons()),
        (vec![mother], BTreeMap::from([(Reason::Duplicate, 1)]))
    );
}

#[test]
fn a_restriction_for_one_child_of_two_leaves_the_other() {
    let mut school = Families::default();
    let (ann, ben) = (school.pupil("Ann Smith", "3", "3A"), school.pupil("Ben Smith", "4", "4A"));
    let father = school.contact("John Smith", "john@example.com", &[]);
    school.link(ann, father, Link { restricted: true, ..responsible() });
    school.link(ben, father, responsible());
    let both = service(&school, &years(&["3", "4"]));
    assert_eq!(
        both.recipients[&Channel::Email],
        [Recipient { person: father, pupils: vec![ben], also: vec![], others: vec![] }]
    );
    assert!(both.excluded.is_empty());
    assert_eq!(service(&school, &years(&["3"])).excluded, BTreeMap::from([(father, Reason::Restricted)]));
}

#[test]
fn a_shared_mailbox_names_no_child_that_one_reader_is_kept_away_from() {
    let mut school = Families::default();
    let (ann, ben) = (school.pupil("Ann Smith", "3", "3A"), school.pupil("Ben Smith", "3", "3A"));
    let mother = school.contact("Mary Smith", "family@example.com", &[]);
    let father = school.contact("John Smith", "family@example.com", &[]);
    for (pupil, contact) in [(ann, mother), (ben, mother), (ben, father)] {
        school.link(pupil, contact, responsible());
    }
    school.link(ann, father, Link { restricted: true, ..responsible() });
    let resolution = service(&school, &years(&["3"]));
    let recipient = Recipient { person: mother, pupils: vec![ben], also: vec![father], others: vec![] };
    assert_eq!(resolution.recipients[&Channel::Email], std::slice::from_ref(&recipient));
    // The look just before sending comes to the same.
    assert_eq!(still_permitted(&school.directory, &recipient, Purpose::Service, TODAY), Some(recipient));
}

#[test]
fn a_shared_mailbox_gets_nothing_about_a_child_that_somebody_who_reads_it_is_kept_away_from() {
    let mut school = Families::default();
    let ann = school.pupil("Ann Smith", "3", "3A");
    let mother = school.contact("Mary Smith", "family@example.com", &[]);
    // He is not written to at all, and reads along all the same.
    let father = school.contact("John Smith", "family@example.com", &[]);
    school.link(ann, mother, responsible());
    school.link(ann, father, Link { restricted: true, ..responsible() });
    let resolution = service(&school, &years(&["3"]));
    assert_eq!(resolution.count(), 0);
    assert_eq!(
        resolution.excluded,
        BTreeMap::from([(mother, Reason::Restricted), (father, Reason::Restricted)])
    );
    let earlier = Recipient { person: mother, pupils: vec![ann], also: vec![], others: vec![father] };
    assert_eq!(still_permitted(&school.directory, &earlier, Purpose::Service, TODAY), None);
}

#[test]
fn selections_add_up_and_except_takes_away() {
    let mut school = Families::default();
    let ann = school.pupil("Ann Smith", "3", "3A");
    let ben = school.pupil("Ben Jones", "4", "4B");
    let cy = school.pupil("Cy Brown", "5", "5A");
    let [smith, jones, brown] =
        ["smith", "jones", "brown"].map(|name| school.contact(name, &format!("{name}@example.com"), &[]));
    for (pupil, contact) in [(ann, smith), (ben, jones), (cy, brown)] {
        school.link(pupil, contact, responsible());
    }
    let class = |class: &str| Audience { classes: vec![class.to_owned()], ..Audience::default() };
    let people = |people: &[PersonId]| Audience { people: people.to_vec(), ..Audience::default() };
    for (audience, expected) in [
        (Audience::default(), vec![smith, jones, brown]),
        (years(&["3", "Year 5"]), vec![smith, brown]),
        (class(" 4b "), vec![jones]),
        (Audience { year_groups: vec!["3".into()], ..class("5A") }, vec![smith, brown]),
        (people(&[ben]), vec![jones]),
        (people(&[jones, ann]), vec![smith, jones]),
        (Audience { except: vec![ann], ..Audience::default() }, vec![jones, brown]),
        (Audience { except: vec![jones], ..Audience::default() }, vec![smith, brown]),
        (Audience { except: vec![ben], ..people(&[jones]) }, vec![]),
        (Audience { except: vec![brown], ..people(&[brown]) }, vec![]),
        (Audience { roles: vec![Role::Staff], ..Audience::default() }, vec![]),
        (years(&["13"]), vec![]),
    ] {
        let resolution = service(&school, &audience);
        assert_eq!(reached(&resolution), expected, "{audience:?}");
        assert!(resolution.excluded.is_empty(), "{audience:?}");
    }
}

#[test]
fn whom_nobody_would_reach_is_shown() {
    let mut school = Families::default();
    let lonely = school.pupil("Ann Smith", "3", "3A");
    let stranger = school.contact("Bo Stranger", "bo@example.com", &[]);
    assert_eq!(service(&school, &years(&["3"])).excluded, BTreeMap::from([(lonely, Reason::NoContact)]));
    // Named by the sender, and nothing ties them to a pupil: told, not passed over in silence.
    let named = Audience { people: vec![stranger], ..Audience::default() };
    assert_eq!(service(&school, &named).excluded, BTreeMap::from([(stranger, Reason::NoResponsibility)]));
    // Whoever the sources no longer name is not written to.
    school.person(lonely).missing_since = Some(Timestamp::UNIX_EPOCH);
    assert_eq!(service(&school, &years(&["3"])), Resolution::default());
}

/// What happens to Ann and Ben, their mother and Ann's father.
type Change = fn(&mut Families, [PersonId; 2], PersonId, PersonId);

#[test]
fn what_still_holds_when_the_directory_has_changed() {
    let family = || {
        let mut school = Families::default();
        let (ann, ben) = (school.pupil("Ann Smith", "3", "3A"), school.pupil("Ben Smith", "4", "4A"));
        let mother = school.contact("Mary Smith", "family@example.com", &[]);
        let father = school.contact("John Smith", "family@example.com", &[]);
        for (pupil, contact) in [(ann, mother), (ben, mother), (ann, father)] {
            school.link(pupil, contact, responsible());
        }
        (school, [ann, ben], mother, father)
    };
    let gone = Some(Timestamp::UNIX_EPOCH);
    // What happened -> which of Ann (0) and Ben (1) may still be named; none: nothing is sent.
    let changes: [(&str, Change, &[usize]); 11] = [
        ("nothing", |_, _, _, _| {}, &[0, 1]),
        ("mother kept from Ben", |s, [_, ben], m, _| s.tie(ben, m).restricted = true, &[0]),
        ("father kept from Ann, reads along", |s, [ann, _], _, f| s.tie(ann, f).restricted = true, &[1]),
        (
            "mother loses Ann, father keeps her",
            |s, [ann, _], m, _| s.tie(ann, m).parental_responsibility = Responsibility::No,
            &[0, 1],
        ),
        (
            "link to Ben gone",
            |s, [_, ben], m, _| s.tie(ben, m).missing_since = Some(Timestamp::UNIX_EPOCH),
            &[0],
        ),
        ("link to Ben deleted", |s, [_, ben], m, _| drop(s.directory.links.remove(&(ben, m))), &[0]),
        ("Ann left", |s, [ann, _], _, _| s.person(ann).missing_since = Some(Timestamp::UNIX_EPOCH), &[1]),
        ("Ann erased", |s, [ann, _], _, _| drop(s.directory.people.remove(&ann)), &[1]),
        ("mother gone", |s, _, m, _| s.person(m).missing_since = Some(Timestamp::UNIX_EPOCH), &[]),
        ("mother erased", |s, _, m, _| drop(s.directory.people.remove(&m)), &[]),
        (
            "mother kept from both, father reads along",
            |s, [ann, ben], m, _| {
                s.tie(ann, m).restricted = true;
                s.tie(ben, m).restricted = true;
            },
            &[],
        ),
    ];
    for (what, change, named) in changes {
        let (mut school, pupils, mother, father) = family();
        let recipient =
            Recipient { person: mother, pupils: pupils.to_vec(), also: vec![father], others: vec![] };
        change(&mut school, pupils, mother, father);
        let left =
            still_permitted(&school.directory, &recipient, Purpose::Service, TODAY).map(|left| left.pupils);
        let expected: Vec<_> = named.iter().map(|at| pupils[*at]).collect();
        assert_eq!(left, (!expected.is_empty()).then_some(expected), "{what}");
    }
    let (mut school, pupils, mother, _) = family();
    school.tie(pupils[0], mother).parental_responsibility = Responsibility::No;
    let alone = Recipient { person: mother, pupils: vec![pupils[0]], also: vec![], others: vec![] };
    assert_eq!(still_permitted(&school.directory, &alone, Purpose::Service, TODAY), None);
    assert_eq!(still_permitted(&school.directory, &alone, Purpose::Emergency, TODAY), Some(alone));
    let mut teacher = Person::named(Role::Staff, PersonName::new("Tess", "Teacher"));
    teacher.source_ids = [SourceId { source: "csv".into(), id: "1".into() }].into();
    let teacher = school.add(teacher);
    let to_teacher = Recipient { person: teacher, pupils: vec![], also: vec![], others: vec![] };
    assert_eq!(
        still_permitted(&school.directory, &to_teacher, Purpose::Service, TODAY),
        Some(to_teacher.clone())
    );
    school.person(teacher).missing_since = gone;
    assert_eq!(still_permitted(&school.directory, &to_teacher, Purpose::Service, TODAY), None);
}

/// A small school as plain numbers.
#[derive(Clone, Debug)]
struct Sketch {
    /// Year 3 or 4, and whether the pupil has left.
    pupils: Vec<(bool, bool)>,
    /// E-mail address and mobile (0: none), whether there is a landline, whether the contact is gone.
    contacts: Vec<(u8, u8, bool, bool)>,
    /// Pupil, contact, responsibility, priority, restricted, gone.
    links: Vec<(usize, usize, u8, u8, bool, bool)>,
}

fn sketch() -> impl Strategy<Value = Sketch> {
    let pupils = vec((any::<bool>(), prop::bool::weighted(0.1)), 1..5);
    let contacts = vec((0_u8..4, 0_u8..4, any::<bool>(), prop::bool::weighted(0.1)), 0..7);
    let link =
        (0_usize..5, 0_usize..7, 0_u8..3, 0_u8..3, prop::bool::weighted(0.2), prop::bool::weighted(0.1));
    (pupils, contacts, vec(link, 0..16)).prop_map(|(pupils, contacts, links)| Sketch {
        pupils,
        contacts,
        links,
    })
}

fn build(sketch: &Sketch) -> (Families, Vec<PersonId>, Vec<PersonId>) {
    let gone = |gone: bool| gone.then_some(Timestamp::UNIX_EPOCH);
    let mut school = Families::default();
    let mut pupils = Vec::new();
    for (third, left) in &sketch.pupils {
        let id = school.pupil("Ann Smith", if *third { "3" } else { "4" }, "A");
        school.person(id).missing_since = gone(*left);
        pupils.push(id);
    }
    let mut contacts = Vec::new();
    for (email, mobile, landline, left) in &sketch.contacts {
        let email = if *email == 0 { String::new() } else { format!("e{email}@example.com") };
        let mobile = if *mobile == 0 { vec![] } else { vec![format!("07700 90000{mobile}")] };
        let phones: Vec<_> =
            mobile.iter().map(String::as_str).chain(landline.then_some("01632 960001")).collect();
        let id = school.contact("Mary Smith", &email, &phones);
        school.person(id).missing_since = gone(*left);
        contacts.push(id);
    }
    for (pupil, contact, responsibility, priority, restricted, left) in &sketch.links {
        let (Some(pupil), Some(contact)) = (pupils.get(*pupil), contacts.get(*contact)) else { continue };
        let parental_responsibility =
            [Responsibility::Yes, Responsibility::No, Responsibility::Unknown][usize::from(*responsibility)];
        let priority = Some(*priority).filter(|priority| *priority > 0);
        school.link(
            *pupil,
            *contact,
            Link {
                parental_responsibility,
                priority,
                restricted: *restricted,
                missing_since: gone(*left),
                ..Link::default()
            },
        );
    }
    (school, pupils, contacts)
}

fn purpose() -> impl Strategy<Value = Purpose> {
    use Purpose::{Attendance, Consent, Emergency, Marketing, Service};
    prop::sample::select(vec![Emergency, Service, Attendance, Consent, Marketing])
}

proptest! {
    /// Everybody who is meant is either written to or left out for one reason, and nobody else is either.
    #[test]
    fn the_sums_add_up(
        sketch in sketch(),
        purpose in purpose(),
        channels in subsequence(Channel::ALL.to_vec(), 1..=3),
        turned in any::<bool>(),
        (named, except) in (vec(0_usize..12, 0..3), vec(0_usize..12, 0..3)),
        year in prop::option::of("[34]"),
    ) {
        let mut channels = channels;
        if turned { channels.reverse(); }
        let (school, pupils, contacts) = build(&sketch);
        let all: Vec<_> = pupils.iter().chain(&contacts).copied().collect();
        let pick = |places: &[usize]| places.iter().filter_map(|at| all.get(*at)).copied().collect::<Vec<_>>();
        let audience = Audience { year_groups: year.into_iter().collect(), people: pick(&named), except: pick(&except), ..Audience::default() };
        let resolution = resolve(&school.directory, &audience, purpose, &channels, TODAY);

        // Who is meant, said once more.
        let here = |id: PersonId| school.directory.person(id).is_some_and(|person| person.missing_since.is_none());
        let wanted = |id: PersonId| here(id) && !audience.except.contains(&id);
        let ties = |pupil: PersonId| school.directory.links_of(pupil).filter(|(contact, link)| link.missing_since.is_none() && here(*contact)).map(|(contact, _)| contact).collect::<Vec<_>>();
        let everybody = audience.year_groups.is_empty() && audience.people.is_empty();
        let mut meant = BTreeSet::new();
        for pupil in pupils.iter().copied().filter(|pupil| wanted(*pupil)) {
            let year = &school.directory.person(pupil).unwrap().year_group;
            if everybody || audience.people.contains(&pupil) || audience.year_groups.iter().any(|wanted| Some(wanted.as_str()) == year.as_deref()) {
                let family = ties(pupil);
                if family.is_empty() { meant.insert(pupil); }
                meant.extend(family.into_iter().filter(|contact| !audience.except.contains(contact)));
            }
        }
        for contact in contacts.iter().copied().filter(|contact| wanted(*contact) && audience.people.contains(contact)) {
            let about: Vec<_> = pupils.iter().copied().filter(|pupil| here(*pupil) && ties(*pupil).contains(&contact)).collect();
            if about.is_empty() || about.iter().any(|pupil| wanted(*pupil)) { meant.insert(contact); }
        }

        let written: Vec<_> = reached(&resolution);
        let told: BTreeSet<_> = written.iter().copied().chain(resolution.excluded.keys().copied()).collect();
        prop_assert_eq!(told.len(), written.len() + resolution.excluded.len(), "each person once");
        prop_assert_eq!(told, meant);
        prop_assert_eq!(resolution.reasons().values().sum::<usize>(), resolution.excluded.len());
        prop_assert_eq!(resolution.count(), written.len());
        let mut points = BTreeSet::new();
        for (channel, recipients) in &resolution.recipients {
            for recipient in recipients {
                let person = school.directory.person(recipient.person).unwrap();
                let point = contact_point(person, *channel).map_or_else(|| recipient.person.to_string(), str::to_owned);
                prop_assert!(points.insert((*channel, point)), "one message per contact point");
                prop_assert!(!recipient.pupils.is_empty());
                for pupil in &recipient.pupils {
                    for reader in std::iter::once(&recipient.person).chain(&recipient.also) {
                        let link = school.directory.links.get(&(*pupil, *reader)).and_then(|stored| stored.value.as_ref());
                        prop_assert!(!link.is_some_and(|link| link.restricted && link.missing_since.is_none()), "a restricted reader hears of the child");
                    }
                }
                // Nothing has changed, so nothing is lost by looking again.
                let again = still_permitted(&school.directory, recipient, purpose, TODAY);
                prop_assert_eq!(again.as_ref(), Some(recipient));
            }
        }
        prop_assert!(purpose != Purpose::Marketing || written.is_empty());
        let also: Vec<_> = resolution.recipients.values().flatten().flat_map(|recipient| recipient.also.clone()).collect();
        let duplicates: Vec<_> = resolution.excluded.iter().filter(|(_, reason)| **reason == Reason::Duplicate).map(|(id, _)| *id).collect();
        let (mut also, mut sorted) = (also, duplicates);
        also.sort_unstable();
        sorted.sort_unstable();
        prop_assert_eq!(also, sorted);
        prop_assert_eq!(resolve(&school.directory, &audience, purpose, &channels, TODAY), resolution, "the same question, the same answer");
    }
}
