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
        DateOfBirth, Email, FamilyName, GivenName, Mobile, ParentalResponsibility, Priority, Relationship,
        Restricted, SourceId, YearGroup,
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
        Restricted,
    ]);
    let fields = BTreeMap::from([(Role::Pupil, pupil), (Role::Contact, contact)]);
    Agreement { fields, signed_on: date(2026, 9, 1) }
}

fn read(rows: &str) -> Roll {
    let agreement = agreement();
    let mut intake = Intake::new(&agreement, date(2026, 11, 22));
    let table = Delimited::open(format!("{HEADER}{rows}").as_bytes()).unwrap();
    grid::read(&table, &Mapping::default(), &mut intake).unwrap();
    intake.finish().unwrap()
}

fn terms(upload: UploadId) -> Terms<'static> {
    static NOBODY: BTreeSet<PersonId> = BTreeSet::new();
    Terms {
        upload,
        scope: &Scope::Full,
        generation: 0,
        file: "one",
        is_rollover: false,
        last_export: None,
        rejected: &NOBODY,
        now: now(),
    }
}

fn now() -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap()
}

fn upload(number: u8) -> UploadId {
    UploadId::new(now(), &[number; 10])
}

fn full(roll: &Roll, directory: &Directory) -> Plan {
    plan(roll, directory, terms(upload(1)))
}

/// What an import does, without storage.
fn apply(directory: &mut Directory, plan: &Plan) {
    for change in &plan.changes {
        match change {
            Change::Person(id, person) => drop(directory.people.insert(*id, stored(person.clone()))),
            Change::Link(ends, link) => drop(directory.links.insert(*ends, stored(link.clone()))),
        }
    }
}

/// The directory after one file.
fn after(rows: &str) -> Directory {
    let mut directory = Directory::default();
    let plan = full(&read(rows), &directory);
    apply(&mut directory, &plan);
    directory
}

fn person<'a>(directory: &'a Directory, given: &str) -> (PersonId, &'a Person) {
    directory.visible_people().find(|(_, person)| person.name.given() == given).unwrap()
}

fn only_link(directory: &Directory) -> &Link {
    let mut links = directory.visible_links();
    let (_, _, link) = links.next().unwrap();
    assert!(links.next().is_none());
    link
}

fn codes(findings: &[Finding]) -> Vec<String> {
    findings.iter().map(|finding| format!("{} {} {}", finding.row, finding.column, finding.code)).collect()
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
    assert_eq!((first.held, first.findings.len()), (None, 0));
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
    let by_hand = BTreeSet::from([Field::Email]);
    let typed =
        Person { emails: vec!["typed@example.com".parse().unwrap()], manual: true, by_hand, ..mary.clone() };
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
    let reused = "Cy,Brown,001,R,01/09/2022,Mother,Bo,Brown,077,bo@example.com,,1,Y,\n";
    let plan = full(&read(reused), &before);
    assert_eq!(codes(&plan.findings), ["2  id_reused"]);
    // The child who was here, the family of that child, and the new family: all wait for the office as they are.
    assert!(plan.changes.is_empty());
    assert_eq!(plan.held, None);
    // A corrected name or a corrected date alone is a correction.
    let plan = full(&read("Anne,Smith,001,3,04/03/2018,,,,,,,,,\n"), &before);
    assert_eq!((plan.counts.pupil.changed, plan.findings.len()), (1, 0));
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
        codes(&roll.findings),
        ["2  name_missing", "3  no_contact", "3 F contact_incomplete", "4  no_contact"]
    );
    assert_eq!(
        (roll.of(Role::Pupil).count(), roll.of(Role::Contact).count(), roll.links.len(), roll.rows),
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

// --- who is who: edge cases by number ---

/// A pupil's row: given, family, id, year, date of birth; then the contact's relationship, given, family, id, e-mail, mobile.
fn row(pupil: [&str; 5], contact: [&str; 6]) -> String {
    let [given, family, id, year, born] = pupil;
    let [relationship, parent, surname, parent_id, email, mobile] = contact;
    format!(
        "{given},{family},{id},{year},{born},{relationship},{parent},{surname},{parent_id},{email},{mobile},1,Y,\n"
    )
}

const MARY: [&str; 6] = ["Mother", "Mary", "Smith", "C1", "mary@example.com", "07700 900001"];

fn count_of(directory: &Directory, role: Role) -> usize {
    directory.visible_people().filter(|(_, person)| person.role == role).count()
}

#[test]
fn edge_case_1_siblings_with_one_contact_id_have_one_parent_and_two_links() {
    let directory = after(
        &(row(["Ann", "Smith", "1", "3", "04/03/2018"], MARY)
            + &row(["Ben", "Smith", "2", "1", "05/04/2020"], MARY)),
    );
    assert_eq!((count_of(&directory, Role::Contact), directory.visible_links().count()), (1, 2));
}

#[test]
fn edge_cases_4_and_5_twins_are_two_with_and_without_ids() {
    for ids in [["1", "2"], ["", ""]] {
        let rows = row(["Ella", "Smith", ids[0], "3", "04/03/2018"], MARY)
            + &row(["Ellie", "Smith", ids[1], "3", "04/03/2018"], MARY);
        let mut directory = after(&rows);
        assert_eq!(count_of(&directory, Role::Pupil), 2);
        // Under new ids, neither is taken for the other: each for herself.
        let new = row(["Ellie", "Smith", "8", "3", "04/03/2018"], MARY)
            + &row(["Ella", "Smith", "9", "3", "04/03/2018"], MARY);
        let plan = full(&read(&new), &directory);
        apply(&mut directory, &plan);
        let id =
            |given| person(&directory, given).1.source_ids.iter().map(|id| id.id.clone()).collect::<Vec<_>>();
        assert_eq!((id("Ella"), id("Ellie")), (vec!["9".to_owned()], vec!["8".to_owned()]));
    }
}

#[test]
fn edge_case_6_one_name_and_one_birthday_are_not_one_child() {
    let two = row(["Ann", "Smith", "1", "3", "04/03/2018"], MARY)
        + &row(
            ["Ann", "Smith", "2", "3", "04/03/2018"],
            ["Mother", "Jo", "Smith", "C2", "jo@example.com", ""],
        );
    let directory = after(&two);
    assert_eq!(count_of(&directory, Role::Pupil), 2);
    // Without ids, two of the school fit: nobody is touched. Under new ids, nobody is proposed.
    let unsure = full(&read(&row(["Ann", "Smith", "", "3", "04/03/2018"], MARY)), &directory);
    assert!(unsure.proposals.iter().all(|proposal| proposal.role != Role::Pupil));
    // In one file without ids, another class says that they are two: the second row waits for ids.
    let roll = read(
        &(row(["Ann", "Smith", "", "3", "04/03/2018"], MARY)
            + &row(["Ann", "Smith", "", "4", "04/03/2018"], MARY)),
    );
    assert_eq!(codes(&roll.findings), ["3  ambiguous"]);
}

#[test]
fn edge_case_11_a_contact_kept_once_per_pupil_is_one_parent() {
    let mary = ["Mother", "Mary", "Smith", "", "mary@example.com", ""];
    let rows = row(["Ann", "Smith", "1", "3", "04/03/2018"], mary)
        + &row(["Ben", "Smith", "2", "1", "05/04/2020"], mary);
    let mut directory = after(&rows);
    assert_eq!((count_of(&directory, Role::Contact), directory.visible_links().count()), (1, 2));
    assert!(full(&read(&rows), &directory).changes.is_empty());
    // Same name and nothing else in common: two.
    let other = ["Mother", "Mary", "Smith", "", "other@example.com", ""];
    let rows = row(["Ann", "Smith", "1", "3", "04/03/2018"], mary)
        + &row(["Ben", "Jones", "2", "1", "05/04/2020"], other);
    directory = after(&rows);
    assert_eq!(count_of(&directory, Role::Contact), 2);
}

#[test]
fn edge_case_12_father_and_son_of_one_name_are_not_merged() {
    let father = ["Father", "John", "Smith", "C1", "john@example.com", ""];
    let grandfather = ["Grandfather", "John", "Smith", "C2", "john@example.com", ""];
    let ann = ["Ann", "Smith", "1", "3", "04/03/2018"];
    let directory = after(&(row(ann, father) + &row(ann, grandfather)));
    assert_eq!(count_of(&directory, Role::Contact), 2);
}

#[test]
fn edge_case_13_a_married_name_is_updated_in_place_by_id() {
    let ann = ["Ann", "Smith", "1", "3", "04/03/2018"];
    let mut directory = after(&row(ann, MARY));
    let (before, _) = person(&directory, "Mary");
    let plan = full(
        &read(&row(ann, ["Mother", "Mary", "Jones", "C1", "mary@example.com", "07700 900001"])),
        &directory,
    );
    apply(&mut directory, &plan);
    let (id, mary) = person(&directory, "Mary");
    assert_eq!((id, mary.name.family()), (before, "Jones"));
}

#[test]
fn edge_case_55_a_change_of_system_is_recognised_and_waits_for_the_office() {
    let ann = ["Ann", "Smith", "1", "3", "04/03/2018"];
    let ben = ["Ben", "Jones", "2", "4", "05/04/2017"];
    let jo = ["Father", "Jo", "Jones", "C2", "jo@example.com", ""];
    let mut directory = after(&(row(ann, MARY) + &row(ben, jo)));
    let ends: Vec<_> = directory.links.keys().copied().collect();
    let restricted = ends[0];
    directory.links.get_mut(&restricted).unwrap().value.as_mut().unwrap().restricted = true;
    let renumbered = row(
        ["Ann", "Smith", "A7", "3", "04/03/2018"],
        ["Mother", "Mary", "Smith", "K1", "mary@example.com", "07700 900001"],
    ) + &row(
        ["Ben", "Jones", "A8", "4", "05/04/2017"],
        ["Father", "Jo", "Jones", "K2", "jo@example.com", ""],
    );
    let plan = full(&read(&renumbered), &directory);
    assert_eq!(plan.held, Some(HeldBecause::SamePersonProposed));
    assert_eq!((plan.proposals.len(), plan.counts.pupil.created, plan.counts.contact.created), (4, 0, 0));
    // Links and restrictions carry over, and the new ids are known from then on.
    apply(&mut directory, &plan);
    assert_eq!(directory.links.keys().copied().collect::<Vec<_>>(), ends);
    assert!(directory.links[&restricted].value.as_ref().unwrap().restricted);
    let again = full(&read(&renumbered), &directory);
    assert!(again.changes.is_empty() && again.proposals.is_empty());
}

#[test]
fn a_proposal_that_is_refused_makes_somebody_new() {
    let mut directory = after(&row(["Ann", "Smith", "1", "3", "04/03/2018"], MARY));
    let other = read(&row(
        ["Ann", "Smith", "9", "3", "04/03/2018"],
        ["Mother", "Jo", "Smith", "C9", "jo@example.com", ""],
    ));
    let proposed = full(&other, &directory);
    let rejected: BTreeSet<_> = proposed.proposals.iter().map(|proposal| proposal.person_id).collect();
    assert_eq!(rejected.len(), 1);
    let plan = plan(&other, &directory, Terms { rejected: &rejected, ..terms(upload(2)) });
    assert_eq!((plan.counts.pupil.created, plan.proposals.len()), (1, 0));
    apply(&mut directory, &plan);
    assert_eq!(count_of(&directory, Role::Pupil), 2);
}

#[test]
fn edge_case_59_a_blank_contact_point_is_cleared_by_the_second_file() {
    let ann = ["Ann", "Smith", "1", "3", "04/03/2018"];
    let mut directory = after(&row(ann, MARY));
    let blank = read(&row(ann, ["Mother", "Mary", "Smith", "C1", "mary@example.com", ""]));
    for (file, kept) in [("two", true), ("two", true), ("three", false)] {
        let plan = plan(&blank, &directory, Terms { file, ..terms(upload(2)) });
        apply(&mut directory, &plan);
        assert_eq!(person(&directory, "Mary").1.mobile().is_some(), kept, "{file}");
        assert!(person(&directory, "Mary").1.email().is_some());
    }
}

#[test]
fn edge_case_61_a_lost_leading_zero_is_another_id_until_the_office_agrees() {
    let mut directory = after(&row(["Ann", "Smith", "00123", "3", "04/03/2018"], MARY));
    let roll = read(&row(["Ann", "Smith", "123", "3", "04/03/2018"], MARY));
    let plan = full(&roll, &directory);
    assert_eq!((plan.held, plan.proposals.len()), (Some(HeldBecause::SamePersonProposed), 1));
    apply(&mut directory, &plan);
    assert_eq!(count_of(&directory, Role::Pupil), 1);
    assert!(full(&roll, &directory).changes.is_empty());
}

#[test]
fn edge_case_50_a_planned_rollover_raises_the_limits_and_still_asks() {
    let rows = |range: std::ops::Range<usize>| {
        range.map(|n| format!("Ann,Smith,{n},3,,,,,,,,,,\n")).collect::<String>()
    };
    let before = after(&rows(0..100));
    for (file, held) in [
        (rows(5..100), None),
        (rows(15..115), Some(HeldBecause::PlannedRollover)),
        (rows(60..100), Some(HeldBecause::ManyMissing)),
    ] {
        let plan = plan(&read(&file), &before, Terms { is_rollover: true, ..terms(upload(2)) });
        assert_eq!(plan.held, held);
    }
}

#[test]
fn edge_case_51_a_file_of_one_year_limits_who_can_be_missing() {
    let ann = ["Ann", "Smith", "1", "7", "04/03/2015"];
    let gone = ["Gus", "Green", "2", "7", "04/03/2015"];
    let older = ["Ben", "Jones", "3", "8", "05/04/2014"];
    let of = |n: &'static str| ["Mother", "Jo", n, n, "", ""];
    let before =
        after(&(row(ann, of("A")) + &row(gone, of("B")) + &row(older, of("C")) + &row(older, of("B"))));
    let years = Scope::YearGroups(BTreeSet::from(["7".to_owned()]));
    let plan = plan(&read(&row(ann, of("A"))), &before, Terms { scope: &years, ..terms(upload(2)) });
    // The other Year 7 pupil; not Year 8, and not the mother who has a child in each.
    assert_eq!((plan.counts.pupil.missing, plan.counts.contact.missing), (1, 0));
}

#[test]
fn edge_case_54_an_older_file_is_held_and_calls_nobody_missing() {
    let before = after(
        &(row(["Ann", "Smith", "1", "3", "04/03/2018"], MARY)
            + &row(["Ben", "Smith", "2", "1", "05/04/2020"], MARY)),
    );
    let mut roll = read(&row(["Ann", "Smith", "1", "3", "04/03/2018"], MARY));
    roll.exported_at = Some(now());
    let later = Some(now() + jiff::SignedDuration::from_secs(1));
    let plan = plan(&roll, &before, Terms { last_export: later, ..terms(upload(2)) });
    assert_eq!((plan.held, plan.counts.pupil.missing), (Some(HeldBecause::OlderFile), 0));
}
