//! From rows to plans: families by table, and what holds for any small school.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{Timestamp, civil::date};
use proptest::{collection::vec, prelude::*};

use super::*;
use crate::{
    person::{
        guardianship::{Relationship, Responsibility},
        made_up::stored,
    },
    privacy::agreement::{Agreement, Field},
    upload::{column::Mapping, delimited::Delimited, grid, intake::Intake},
};

const HEADER: &str = "StudentForename,StudentSurname,StudentID,Year,DOB,Relationship,ContactForename,ContactSurname,ContactID,PrimaryEmail,MobileNumber,Priority,ParentalResponsibility,CourtOrder\n";

fn agreement() -> Agreement {
    use Field::{
        DateOfBirth, Email, EmergencyContact, FamilyName, GivenName, Mobile, ParentalResponsibility,
        Priority, Relationship, Restricted, SourceId, YearGroup,
    };
    let pupil = BTreeSet::from([GivenName, FamilyName, SourceId, YearGroup, DateOfBirth]);
    let contact = BTreeSet::from([
        GivenName,
        FamilyName,
        SourceId,
        Relationship,
        Email,
        Mobile,
        Priority,
        ParentalResponsibility,
        EmergencyContact,
        Restricted,
    ]);
    let fields = BTreeMap::from([(Role::Pupil, pupil), (Role::Contact, contact)]);
    Agreement { fields, signed_on: date(2026, 9, 1) }
}

pub(crate) fn read(rows: &str) -> Roll {
    read_under(HEADER, rows)
}

pub(crate) fn read_under(header: &str, rows: &str) -> Roll {
    let agreement = agreement();
    let mut intake = Intake::new(&agreement, date(2026, 11, 22));
    let text = format!("{header}{rows}");
    let table = Delimited::open(text.as_bytes()).unwrap();
    grid::read(&table, &Mapping::default(), &mut intake).unwrap();
    let mut roll = intake.finish().unwrap();
    // A handful of rows seldom shows in what order its dates are.
    roll.findings.retain(|finding| finding.code != Code::DateOrderAssumed.word());
    roll
}

pub(crate) fn terms(upload: UploadId) -> Terms<'static> {
    static NOBODY: BTreeSet<PersonId> = BTreeSet::new();
    Terms {
        upload,
        scope: &Scope::Full,
        generation: 0,
        file: "one",
        is_rollover: false,
        last_export: None,
        rejected: &NOBODY,
        readmits_deleted: false,
        now: now(),
    }
}

pub(crate) fn now() -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap()
}

pub(crate) fn upload(number: u8) -> UploadId {
    UploadId::new(now(), &[number; 10])
}

pub(crate) fn full(roll: &Roll, directory: &Directory) -> Plan {
    plan(roll, directory, terms(upload(1)))
}

/// What an import does, without storage.
pub(crate) fn apply(directory: &mut Directory, plan: &Plan) {
    for change in &plan.changes {
        match change {
            Change::Person(id, person) => drop(directory.people.insert(*id, stored((**person).clone()))),
            Change::Link(ends, link) => drop(directory.links.insert(*ends, stored(link.clone()))),
        }
    }
}

/// The directory after one file.
pub(crate) fn after(rows: &str) -> Directory {
    let mut directory = Directory::default();
    let plan = full(&read(rows), &directory);
    apply(&mut directory, &plan);
    directory
}

pub(crate) fn person<'a>(directory: &'a Directory, given: &str) -> (PersonId, &'a Person) {
    directory.visible_people().find(|(_, person)| person.name.given() == given).unwrap()
}

pub(crate) fn only_link(directory: &Directory) -> &Link {
    let mut links = directory.visible_links();
    let (_, _, link) = links.next().unwrap();
    assert!(links.next().is_none());
    link
}

pub(crate) fn codes(findings: &[Finding]) -> Vec<String> {
    // That few dates show no order is said of every small file here.
    let said = findings.iter().filter(|finding| finding.code != Code::DateOrderAssumed.word());
    said.map(|finding| format!("{} {} {}", finding.row, finding.column, finding.code)).collect()
}

const ANN: &str = "Ann,Smith,001,3,04/03/2018,Mother,Mary,Smith,001,mary@example.com,07700 900001,1,Y,\n";

#[test]
fn a_family_is_read_once_and_then_unchanged() {
    let rows = format!(
        "{ANN}Ann,Smith,001,3,04/03/2018,Father,John,Smith,002,,07700 900002,2,,\nBen,Smith,002,4,,Mother,Mary,Smith,001,,,1,Y,\n"
    );
    let mut directory = Directory::default();
    let first = full(&read(&rows), &directory);
    let created = |created| Count { created, ..Count::default() };
    assert_eq!(
        (first.counts.pupil, first.counts.contact, first.counts.link),
        (created(2), created(2), created(3))
    );
    assert_eq!((first.held, codes(&first.findings)), (None, vec![]));
    apply(&mut directory, &first);
    let again = full(&read(&rows), &directory);
    assert!(again.changes.is_empty() && again.withdrawals.is_empty());
    let unchanged = |unchanged| Count { unchanged, ..Count::default() };
    assert_eq!(
        (again.counts.pupil, again.counts.contact, again.counts.link),
        (unchanged(2), unchanged(2), unchanged(3))
    );
    // The pupil 001 and the contact 001 are two people.
    assert_eq!(directory.people.len(), 4);
}

#[test]
fn blank_clears_nothing() {
    let before =
        after("Ann,Smith,001,3,04/03/2018,Mother,Mary,Smith,001,mary@example.com,07700 900001,1,Y,Y\n");
    let plan = full(&read("Ann,Smith,001,,,,Mary,Smith,001,,,,,\n"), &before);
    let mut directory = before;
    apply(&mut directory, &plan);
    let link = only_link(&directory);
    assert!(link.restricted);
    assert_eq!(link.parental_responsibility, Responsibility::Yes);
    let (_, mary) = person(&directory, "Mary");
    assert!(mary.email().is_some() && mary.mobile().is_some());
    let (_, ann) = person(&directory, "Ann");
    assert!(ann.date_of_birth.is_some());
    assert_eq!(
        (ann.year_group.as_deref(), link.priority, link.relationship),
        (Some("3"), Some(1), Relationship::Mother)
    );
    // And no word in the file lifts a restriction.
    let plan = full(&read("Ann,Smith,001,3,,Mother,Mary,Smith,001,,,1,N,N\n"), &directory);
    apply(&mut directory, &plan);
    let link = only_link(&directory);
    assert_eq!((link.restricted, link.parental_responsibility), (true, Responsibility::No));
}

#[test]
fn what_the_office_typed_outlives_the_file() {
    let mut directory = after(ANN);
    let (id, mary) = person(&directory, "Mary");
    let by_hand = vec![Field::Email];
    let typed = Person {
        emails: ["typed@example.com".parse().unwrap()].into(),
        manual: true,
        by_hand,
        ..mary.clone()
    };
    directory.people.insert(id, stored(typed.clone()));
    let ends = *directory.links.keys().next().unwrap();
    let set = Link { parental_responsibility: Responsibility::No, manual: true, ..Link::default() };
    directory.links.insert(ends, stored(set.clone()));
    assert!(full(&read(ANN), &directory).changes.is_empty());
    // Not even missing; but a file may always restrict.
    let other = full(&read("Cy,Brown,009,5,,,,,,,,,,\n"), &directory);
    assert_eq!(
        (other.counts.contact.missing, other.counts.link.missing, other.counts.pupil.missing),
        (0, 0, 1)
    );
    let plan = full(&read(&ANN.replace(",Y,\n", ",Y,Y\n")), &directory);
    apply(&mut directory, &plan);
    assert_eq!(only_link(&directory), &Link { restricted: true, ..set });
    assert_eq!(person(&directory, "Mary").1, &typed);
}

#[test]
fn absence_is_missing_and_a_part_of_the_school_calls_nobody_missing() {
    let both = format!("{ANN}Ben,Jones,002,4,,Father,Jo,Jones,002,jo@example.com,,1,Y,\n");
    let before = after(&both);
    let part = plan(&read(ANN), &before, Terms { scope: &Scope::Partial, ..terms(upload(2)) });
    assert!(part.changes.is_empty());
    let mut directory = before.clone();
    let whole = full(&read(ANN), &before);
    assert_eq!(
        (whole.counts.pupil.missing, whole.counts.contact.missing, whole.counts.link.missing),
        // About the ties of a child who is absent the file says nothing.
        (1, 1, 0)
    );
    assert_eq!(whole.held, Some(HeldBecause::ManyMissing));
    apply(&mut directory, &whole);
    assert_eq!(person(&directory, "Ben").1.missing_since, Some(now()));
    assert_eq!(directory.people.len(), before.people.len(), "nobody is deleted");
    // Missing already is not missing once more, and coming back is a change.
    assert!(full(&read(ANN), &directory).changes.is_empty());
    let back = full(&read(&both), &directory);
    apply(&mut directory, &back);
    assert!(directory.visible_people().all(|(_, person)| person.missing_since.is_none()));
    assert!(directory.visible_links().all(|(_, _, link)| link.missing_since.is_none()));
}

#[test]
fn a_file_that_forgets_somebody_restricted_keeps_the_restriction() {
    let before = after("Ann,Smith,001,3,,Father,John,Smith,002,,,1,Y,Y\n");
    let plan = full(&read("Ann,Smith,001,3,,,,,,,,,,\n"), &before);
    // Neither the tie nor the person: what hangs on them would be erased with them.
    assert_eq!((plan.counts.contact.missing, plan.counts.link.missing), (0, 0));
    let mut directory = before;
    apply(&mut directory, &plan);
    assert!(only_link(&directory).restricted && only_link(&directory).missing_since.is_none());
}

#[test]
fn plans_that_take_much_away_or_turn_much_over_are_held() {
    let rows = |range: std::ops::Range<usize>, year: &dyn Fn(usize) -> usize| {
        let row = |n: usize| format!("Ann,Smith,{n},{},,,,,,,,,,\n", year(n));
        range.map(row).collect::<Vec<_>>().concat()
    };
    let before = after(&rows(0..100, &|_| 3));
    for (file, held) in [
        (rows(0..90, &|_| 3), None),
        (rows(0..89, &|_| 3), Some(HeldBecause::ManyMissing)),
        (rows(0..100, &|n| if n < 75 { 4 } else { 3 }), None),
        (rows(0..100, &|n| if n < 76 { 4 } else { 3 }), Some(HeldBecause::ManyChanged)),
        // More than the school has, and nobody gone: nothing to hold.
        (rows(0..400, &|_| 3), None),
        (rows(89..400, &|_| 3), Some(HeldBecause::ManyMissing)),
    ] {
        assert_eq!(full(&read(&file), &before).held, held);
    }
    assert_eq!(
        full(&read(&rows(0..100, &|_| 3)), &Directory::default()).held,
        None,
        "the first file of a school"
    );
}

#[test]
fn an_id_given_to_another_child_inherits_nothing() {
    let before = after(ANN);
    let reused = "Cy,Brown,001,R,01/10/2021,Mother,Bo,Brown,077,bo@example.com,,1,Y,\n";
    let plan = full(&read(reused), &before);
    assert_eq!(codes(&plan.findings), ["2  id_reused"]);
    // The child who was here, the family of that child, and the new family: all wait for the office as they are.
    assert!(plan.changes.is_empty());
    assert_eq!(plan.held, None);
    // A corrected name or a corrected date alone is a correction.
    let plan = full(&read("Anne,Smith,001,3,04/03/2018,,,,,,,,,\n"), &before);
    assert_eq!((plan.counts.pupil.changed, codes(&plan.findings)), (1, vec![]));
    // Of a date of birth the office decides.
    let plan = full(&read("Ann,Smith,001,3,05/03/2018,,,,,,,,,\n"), &before);
    assert_eq!((plan.counts.pupil.unchanged, codes(&plan.findings)), (1, vec!["2  date_changed".to_owned()]));
}

#[test]
fn an_id_given_to_another_contact_ties_nobody_to_a_stranger() {
    let before = after(ANN);
    let (mary, _) = person(&before, "Mary");
    for row in [
        // The new child's mother has the id of Ann's.
        "Cy,Brown,001,R,01/09/2022,Mother,Bo,Brown,001,bo@example.com,,1,Y,\n",
        "Cy,Brown,002,R,01/09/2022,Mother,Bo,Brown,001,bo@example.com,,1,Y,\n",
    ] {
        let plan = full(&read(row), &before);
        assert!(codes(&plan.findings).iter().any(|code| code.ends_with("id_reused")), "{row}");
        let mut directory = before.clone();
        apply(&mut directory, &plan);
        assert_eq!(directory.person(mary), before.person(mary), "{row}");
        assert!(
            directory
                .visible_links()
                .all(|(pupil, contact, _)| contact != mary || before.links.contains_key(&(pupil, contact)))
        );
    }
}

#[test]
fn two_people_under_one_id_in_one_file_are_not_made_one() {
    let roll = read(concat!(
        "Ann,Smith,001,3,04/03/2018,Mother,Mary,Smith,001,mary@example.com,,1,Y,\n",
        "Ben,Jones,001,3,05/04/2018,Mother,Jo,Jones,002,jo@example.com,,1,Y,\n",
        "Ann,Smith,001,3,04/03/2018,Father,Tom,Smith,001,tom@example.com,,2,Y,\n",
    ));
    assert_eq!(codes(&roll.findings), ["3  id_reused", "4 I id_reused"]);
    assert_eq!((roll.of(Role::Pupil).count(), roll.of(Role::Contact).count(), roll.links.len()), (1, 1, 1));
}

#[test]
fn somebody_new_in_a_restricted_contacts_place_waits_for_the_office() {
    let before = after("Ann,Smith,001,3,04/03/2018,Father,Jon,Smith,002,tom@example.com,,2,Y,Y\n");
    let mother = "Ann,Smith,001,3,04/03/2018,Mother,Mary,Smith,003,,,1,Y,\n";
    let father = "Ann,Smith,001,3,04/03/2018,Father,Jon,Smith,002,tom@example.com,,2,Y,\n";
    let renumbered = "Ann,Smith,001,3,04/03/2018,Father,John,Smith,004,,,2,Y,\n";
    let held = |rows: &str| full(&read(rows), &before).held;
    assert_eq!(held(renumbered), Some(HeldBecause::RestrictedContactReplaced));
    assert_eq!(
        codes(&full(&read(renumbered), &before).findings),
        ["2  no_contact", "2  restriction_unresolved"]
    );
    // Somebody new beside him, or nobody new without him, is nothing to wait for.
    assert_eq!(held(&format!("{father}{mother}")), None);
    assert_eq!(held("Ann,Smith,001,3,04/03/2018,,,,,,,,,\n"), None);
}

#[test]
fn somebody_who_fits_twice_is_left_to_the_office() {
    let mut before = after("Ann,Smith,,3,04/03/2018,,,,,,,,,\n");
    let (_, ann) = person(&before, "Ann");
    let twin = crate::person::made_up::stored(ann.clone());
    before.people.insert(PersonId::derived(now(), "x", "y"), twin);
    let plan = full(&read("Ann,Smith,,4,04/03/2018,,,,,,,,,\n"), &before);
    assert_eq!(codes(&plan.findings), ["2  ambiguous"]);
    assert!(plan.changes.is_empty());
}

#[test]
fn edge_case_58_rows_that_disagree_keep_what_protects() {
    let rows = concat!(
        "Ann,Smith,001,3,04/03/2018,Mother,Mary,Smith,001,,,1,Y,\n",
        "Ann,Smith,001,4,05/03/2018,Mother,Mary,Smith,001,,,2,N,Y\n",
    );
    let roll = read(rows);
    assert_eq!(
        codes(&roll.findings),
        ["2  no_contact", "3 E conflicting_values", "3 M conflicting_values", "3 N conflicting_values"]
    );
    let mut directory = Directory::default();
    let plan = full(&roll, &directory);
    apply(&mut directory, &plan);
    let (_, ann) = person(&directory, "Ann");
    assert_eq!(
        (ann.date_of_birth.unwrap().expose(), ann.year_group.as_deref()),
        (date(2018, 3, 4), Some("3"))
    );
    let link = only_link(&directory);
    assert_eq!(
        (link.parental_responsibility, link.restricted, link.priority),
        // Of responsibility neither is believed.
        (Responsibility::Unknown, true, Some(1))
    );
    assert!(full(&read(rows), &directory).changes.is_empty());
}

#[test]
fn rows_that_say_too_little_are_findings() {
    let roll = read(concat!(
        ",,001,3,,Mother,Mary,Smith,001,,,1,Y,\n",
        "Ann,Smith,002,3,,Mother,,,,,,1,,\n",
        "Ben,Smith,003,3,,,,,,,,,,\n",
        "Cy,,004,3,,,,,,only@example.com,,,,\n",
    ));
    assert_eq!(
        codes(&full(&roll, &Directory::default()).findings),
        ["2  name_missing", "3  no_contact", "3 F contact_incomplete", "4  no_contact"]
    );
    let plan = full(&roll, &Directory::default());
    assert_eq!(
        (plan.counts.pupil.created, plan.counts.contact.created, plan.counts.link.created, roll.rows),
        (3, 1, 1, 4)
    );
}

#[test]
fn without_ids_namesakes_in_two_families_stay_two() {
    let rows = concat!(
        "Ann,Smith,,3,04/03/2018,Mother,Mary,Smith,,mary@example.com,,1,Y,\n",
        "Ann,Smith,,3,05/03/2018,Mother,Mary,Smith,,other@example.com,,1,Y,\n",
        "Ann,Smith,,3,04/03/2018,Father,John,Smith,,,,2,Y,\n",
    );
    let directory = after(rows);
    let roles = |role| directory.visible_people().filter(|(_, person)| person.role == role).count();
    assert_eq!((roles(Role::Pupil), roles(Role::Contact), directory.links.len()), (2, 3, 3));
    assert!(full(&read(rows), &directory).changes.is_empty());
}

#[test]
fn what_an_unfinished_import_left_is_withdrawn_unless_written_again() {
    let mut directory = after(ANN);
    let ids: Vec<_> = directory.people.keys().copied().collect();
    for stored in directory.people.values_mut() {
        stored.value = None;
        stored.versions.live.generation = 1;
    }
    directory.links.clear();
    let plan = full(&read("Cy,Brown,009,5,,,,,,,,,,\n"), &directory);
    assert_eq!(plan.withdrawals, ids.iter().map(|id| Subject::Person(*id)).collect::<Vec<_>>());
    // The same upload derives the same ids and writes over what it left.
    let again = full(&read(ANN), &directory);
    assert!(again.withdrawals.is_empty());
    assert_eq!(again.counts.pupil.created, 1);
}

/// One row as plain numbers; 0 is a blank cell.
#[derive(Clone, Debug)]
struct Cells {
    pupil: (u8, u8, u8, u8),
    contact: (u8, u8, u8, u8),
    link: (u8, u8, u8, u8),
}

impl Cells {
    fn row(&self) -> String {
        fn pick(words: &[&'static str], at: u8) -> &'static str {
            words[usize::from(at)]
        }
        let (id, name, year, born) = self.pupil;
        let (contact_id, contact_name, email, mobile) = self.contact;
        let (relationship, priority, responsibility, order) = self.link;
        let cells = [
            pick(&["", "Ann", "Ben", "Cy"], name),
            "Smith",
            pick(&["", "01", "02", "03"], id),
            pick(&["", "3", "Year 4", "R"], year),
            pick(&["", "04/03/2018", "05/04/2019", "31/02/2019"], born),
            pick(&["", "Mother", "Father", "Neighbour"], relationship),
            pick(&["", "Mary", "John", "Zoë"], contact_name),
            pick(&["", "Smith", "O'Connor", "Smith"], contact_name),
            pick(&["", "01", "02", "03"], contact_id),
            pick(&["", "a@example.com", "B@example.com", "broken"], email),
            pick(&["", "07700 900001", "7700900002", "01632 960001"], mobile),
            pick(&["", "1", "2", "x"], priority),
            pick(&["", "Y", "N", "?"], responsibility),
            pick(&["", "Y", "N", "see file"], order),
        ];
        cells.join(",") + "\n"
    }
}

fn cells() -> impl Strategy<Value = Cells> {
    let four = || (0_u8..4, 0_u8..4, 0_u8..4, 0_u8..4);
    (four(), four(), four()).prop_map(|(pupil, contact, link)| Cells { pupil, contact, link })
}

fn file() -> impl Strategy<Value = String> {
    vec(cells(), 1..12).prop_map(|rows| rows.iter().map(Cells::row).collect())
}

fn total(count: &Count) -> usize {
    count.created + count.changed + count.missing
}

proptest! {
    #[test]
    fn a_file_that_was_applied_changes_nothing_more(first in file(), second in file(), partial: bool) {
        let scope = if partial { Scope::Partial } else { Scope::Full };
        let mut directory = after(&first);
        prop_assert!(full(&read(&first), &directory).changes.is_empty());
        let change = plan(&read(&second), &directory, Terms { scope: &scope, ..terms(upload(2)) });
        prop_assert_eq!(change.changes.len(), [change.counts.pupil, change.counts.contact, change.counts.link].iter().map(total).sum::<usize>());
        prop_assert!(!partial || change.counts.pupil.missing + change.counts.contact.missing + change.counts.link.missing == 0);
        let subjects: BTreeSet<_> = change.changes.iter().map(subject).collect();
        prop_assert_eq!(subjects.len(), change.changes.len(), "each is written once");
        apply(&mut directory, &change);
        let again = plan(&read(&second), &directory, Terms { scope: &scope, ..terms(upload(3)) });
        prop_assert!(again.changes.is_empty(), "{:?}", again.changes);
        prop_assert_eq!(again.held, None);
    }

    #[test]
    fn no_file_lifts_a_restriction_or_blanks_a_responsibility(first in file(), second in file()) {
        let before = after(&first);
        let mut directory = before.clone();
        let change = full(&read(&second), &before);
        apply(&mut directory, &change);
        for (pupil, contact, link) in before.visible_links() {
            let now = directory.links[&(pupil, contact)].value.as_ref().unwrap();
            prop_assert!(now.restricted || !link.restricted);
            prop_assert!(!link.restricted || now.missing_since.is_none());
            prop_assert!(now.parental_responsibility != Responsibility::Unknown || link.parental_responsibility == Responsibility::Unknown);
        }
        prop_assert!(before.people.keys().all(|id| directory.people.contains_key(id)));
    }

    #[test]
    fn planning_twice_gives_the_same_plan(rows in file()) {
        let one = full(&read(&rows), &Directory::default());
        let two = full(&read(&rows), &Directory::default());
        prop_assert_eq!(one.changes.iter().map(subject).collect::<Vec<_>>(), two.changes.iter().map(subject).collect::<Vec<_>>());
        prop_assert_eq!(one.counts, two.counts);
    }
}
