use std::sync::Arc;

use super::*;
use crate::{
    person::{deleted::DeletedPerson, name::PersonName},
    seal::DataKey,
    upload::{
        plan::{
            self, Plan, Terms,
            tests::{after, apply, codes, full, now, person, read, terms, upload},
        },
        store::Scope,
    },
};

const ANN: &str = "Ann,Smith,1,3,04/03/2018,Mother,Mary,Smith,C1,mary@example.com,07700 900001,1,Y,\n";
const FATHER: &str = "Ann,Smith,1,3,04/03/2018,Father,John,Smith,C2,john@example.com,07700 900002,2,Y,\n";

/// What the office does to one person, without storage.
fn delete(directory: &mut Directory, given: &str) {
    let (id, _) = person(directory, given);
    let (key, school) = (Arc::new(DataKey::new(&[1; 32])), crate::id::SchoolId::new(now(), &[1; 10]));
    let deleted = DeletedPerson::new((school, &key), id, &names_of(directory, id), now());
    directory.deleted.add(&key, deleted);
    directory.people.get_mut(&id).unwrap().value = None;
    for (_, stored) in directory.links.iter_mut().filter(|(ends, _)| ends.0 == id || ends.1 == id) {
        stored.value = None;
    }
}

fn readmitting(rows: &str, directory: &Directory) -> Plan {
    plan::plan(&read(rows), directory, Terms { readmits_deleted: true, ..terms(upload(3)) })
}

fn named(directory: &Directory) -> Vec<String> {
    let mut names: Vec<_> =
        directory.visible_people().map(|(_, person)| person.name.given().to_owned()).collect();
    names.sort();
    names
}

#[test]
fn whom_the_office_has_deleted_a_file_does_not_bring_back() {
    let both = format!("{ANN}{FATHER}");
    let mut directory = after(&both);
    delete(&mut directory, "John");
    let plan = full(&read(&both), &directory);
    assert!(plan.changes.is_empty(), "{:?}", plan.counts);
    assert_eq!((codes(&plan.findings), plan.held), (vec!["3  person_deleted".to_owned()], None));
    // The rest of the file does what it does.
    let plan = full(&read(&both.replace(",3,04/", ",4,04/")), &directory);
    assert_eq!((plan.counts.pupil.changed, plan.counts.contact.created, plan.counts.link.created), (1, 0, 0));
    apply(&mut directory, &plan);
    assert_eq!(named(&directory), ["Ann", "Mary"]);
}

#[test]
fn the_office_takes_somebody_in_again_by_asking_and_somebody_elses_word() {
    let both = format!("{ANN}{FATHER}");
    let mut directory = after(&both);
    delete(&mut directory, "John");
    let plan = readmitting(&both, &directory);
    assert_eq!(
        (codes(&plan.findings), plan.held),
        (vec!["3  person_deleted".to_owned()], Some(HeldBecause::DeletedReadmitted))
    );
    assert_eq!((plan.counts.contact.created, plan.counts.link.created), (1, 1));
    assert!(HeldBecause::DeletedReadmitted.needs_a_second_person());
    apply(&mut directory, &plan);
    // Known again: nothing is asked any more.
    let plan = full(&read(&both), &directory);
    assert!(plan.changes.is_empty() && plan.findings.is_empty() && plan.held.is_none());
    // A file of him alone does, as a part of the school, and calls nobody missing.
    let mut directory = after(&both);
    delete(&mut directory, "John");
    let terms = Terms { readmits_deleted: true, scope: &Scope::Partial, ..terms(upload(3)) };
    let part = plan::plan(&read(FATHER), &directory, terms);
    assert_eq!(
        (part.held, part.counts.contact.created, part.counts.contact.missing),
        (Some(HeldBecause::DeletedReadmitted), 1, 0)
    );
    assert_eq!((part.counts.pupil.unchanged, part.counts.link.created), (1, 1));
    // Where nobody is in the file who was deleted, asking for them holds nothing.
    assert_eq!(readmitting(ANN, &after(ANN)).held, None);
}

#[test]
fn whoever_is_kept_away_is_known_deleted_or_not() {
    let both = format!("{ANN}{FATHER}");
    let mut directory = after(&both);
    delete(&mut directory, "John");
    let plan = full(&read(&both.replace(",2,Y,\n", ",2,Y,Y\n")), &directory);
    apply(&mut directory, &plan);
    let (john, _) = person(&directory, "John");
    let (ann, _) = person(&directory, "Ann");
    assert!(directory.link(ann, john).unwrap().restricted, "he may share a mailbox with her");
    assert!(plan.findings.iter().all(|found| found.code != Code::PersonDeleted.word()));
}

#[test]
fn a_deleted_pupil_brings_no_family_in_and_whoever_is_here_for_them_alone_goes_too() {
    let ben = "Ben,Jones,2,4,05/04/2017,Father,Jo,Jones,C9,jo@example.com,07700 900009,1,Y,\n";
    let mut directory = after(&format!("{ANN}{ben}"));
    delete(&mut directory, "Ben");
    let rows = format!("{ANN}{ben}{}", ben.replace("Jo,Jones,C9,jo@", "Al,Jones,C8,al@"));
    let plan = full(&read(&rows), &directory);
    assert_eq!((plan.counts.pupil.created, plan.counts.contact.created, plan.counts.link.created), (0, 0, 0));
    assert_eq!(codes(&plan.findings), ["3  person_deleted"], "once, and not for each contact");
    apply(&mut directory, &plan);
    assert_eq!(named(&directory), ["Ann", "Jo", "Mary"]);
    let is_missing = |given| person(&directory, given).1.missing_since.is_some();
    assert!(is_missing("Jo") && !is_missing("Mary"));
}

#[test]
fn a_new_system_gives_new_ids_and_the_deleted_are_who_they_were() {
    let mut directory = after(&format!("{ANN}{FATHER}"));
    delete(&mut directory, "John");
    for (father, is_he) in [
        ("Father,John,Smith,X7,,07700 900002", true),
        ("Father,JOHN,Smith,X7,john@example.com,", true),
        ("Father,John,Smith,X7,john.other@example.com,07700 900003", false),
        ("Uncle,Jack,Smith,X7,,07700 900002", false),
        ("Uncle,Jack,Smith,C2,,07700 900004", true),
    ] {
        let rows = format!("{ANN}Ann,Smith,1,3,04/03/2018,{father},2,,\n");
        let plan = full(&read(&rows), &directory);
        assert_eq!(plan.counts.contact.created == 0, is_he, "{father}");
        assert_eq!(codes(&plan.findings).contains(&"3  person_deleted".to_owned()), is_he, "{father}");
    }
    delete(&mut directory, "Ann");
    for (pupil, is_she) in [
        ("Ann,Smith,99,3,04/03/2018", true),
        ("Ann,Smith,99,3,05/03/2018", false),
        ("Ann,Smith,99,3,", false),
    ] {
        let plan = full(&read(&format!("{pupil},,,,,,,,,\n")), &directory);
        assert_eq!(plan.counts.pupil.created == 0, is_she, "{pupil}");
    }
}

#[test]
fn without_ids_the_deleted_are_told_by_what_stands_in_for_them() {
    let rows = "Ann,Smith,,3,04/03/2018,Father,John,Smith,,,,1,,\nAnn,Smith,,3,04/03/2018,Mother,,,,,07700 900001,2,,\n";
    let mut directory = after(rows);
    delete(&mut directory, "John");
    // The nameless mother is known by her number.
    delete(&mut directory, "");
    let plan = full(&read(rows), &directory);
    assert!(plan.changes.is_empty(), "{:?}", plan.counts);
    assert_eq!(codes(&plan.findings).iter().filter(|code| code.ends_with("person_deleted")).count(), 2);
    // A father of that name in another family is another.
    let other = "Ben,Jones,,4,05/04/2017,Father,John,Smith,,,,1,,\n";
    let plan = full(&read(&format!("{rows}{other}")), &directory);
    assert_eq!((plan.counts.pupil.created, plan.counts.contact.created), (1, 1));
    // Numbers that the pupils have got meanwhile make nobody another.
    let numbered = rows.replace("Ann,Smith,,", "Ann,Smith,X9,");
    let plan = full(&read(&numbered), &directory);
    assert_eq!((plan.counts.contact.created, plan.proposals.len()), (0, 1), "{:?}", plan.counts);
    delete(&mut directory, "Ann");
    let plan = full(&read(rows), &directory);
    assert!(plan.changes.is_empty(), "{:?}", plan.counts);

    let mut directory = Directory::default();
    let id = PersonId::new(now(), &[5; 10]);
    let sam = Person::named(Role::Staff, PersonName::new("Sam", "Hill"));
    directory.people.insert(id, crate::person::made_up::stored(sam));
    assert!(
        names_of(&directory, id).into_iter().eq([Name::Likeness("likeness\0staff\0sam\0hill".to_owned())])
    );
}

#[test]
fn of_two_records_of_one_person_the_office_may_delete_one() {
    // A system that keeps a contact once for each pupil.
    let ben = ANN.replace("Ann,Smith,1,", "Ben,Smith,2,").replace("04/03/2018", "05/04/2020");
    let twice = format!("{ANN}{}", ben.replace(",C1,", ",C7,"));
    let mut directory = after(&twice);
    let second = directory.people.iter().rev().find(|(_, stored)| {
        stored.value.as_ref().is_some_and(|person| person.source_ids.iter().any(|id| id.id == "C7"))
    });
    let id = *second.unwrap().0;
    let names = names_of(&directory, id);
    // Her id, and in Ben's family her name: address and number are the other record's too.
    assert_eq!(names.len(), 3, "{names:?}");
    let key = Arc::new(DataKey::new(&[1; 32]));
    let school = crate::id::SchoolId::new(now(), &[1; 10]);
    directory.deleted.add(&key, DeletedPerson::new((school, &key), id, &names, now()));
    directory.people.get_mut(&id).unwrap().value = None;
    directory.links.retain(|ends, _| ends.1 != id);
    let plan = full(&read(&twice), &directory);
    assert_eq!(
        (plan.counts.contact.created, codes(&plan.findings)),
        (0, vec!["3  person_deleted".to_owned()])
    );
    // A third child, with a third record of her: she is nobody whom the office has deleted.
    let cy = ben.replace("Ben,Smith,2,", "Cy,Smith,3,").replace(",C1,", ",C8,");
    let plan = full(&read(&format!("{ANN}{cy}")), &directory);
    assert_eq!(plan.counts.contact.created, 1);
}

#[test]
fn a_deletion_is_over_once_the_office_has_had_them_back_for_a_month() {
    let both = format!("{ANN}{FATHER}");
    let mut directory = after(&both);
    delete(&mut directory, "John");
    let deleted = directory.deleted.people()[0].person_id;
    assert_eq!(back(&directory, now()), BTreeSet::new());
    let plan = readmitting(&both, &directory);
    apply(&mut directory, &plan);
    let (john, _) = person(&directory, "John");
    directory.people.get_mut(&john).unwrap().versions.live.written_at = now().as_second();
    for (days, is_over) in [(0, false), (29, false), (30, true)] {
        let over = back(&directory, now() + crate::time::days(days));
        assert_eq!(over, if is_over { BTreeSet::from([deleted]) } else { BTreeSet::new() }, "{days}");
    }
}

#[test]
fn whom_the_office_types_in_again_it_has_again() {
    let mut directory = after(&format!("{ANN}{FATHER}"));
    let john = person(&directory, "John").1.clone();
    delete(&mut directory, "John");
    // By hand, without the id: the next file's record of him, under a new id, is taken in.
    let typed = Person { source_ids: Vec::new().into(), manual: true, ..john };
    let id = PersonId::new(now(), &[77; 10]);
    directory.people.insert(id, crate::person::made_up::stored(typed));
    let rows = format!("{ANN}{}", FATHER.replace(",C2,", ",X2,"));
    let plan = full(&read(&rows), &directory);
    assert_eq!(plan.counts.contact.created, 1);
    assert!(!codes(&plan.findings).contains(&"3  person_deleted".to_owned()));
}
