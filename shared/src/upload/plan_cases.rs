//! Who is who, and what is held: the edge cases by their numbers.

use std::collections::BTreeSet;

use super::{
    tests::{after, apply, codes, full, now, only_link, person, read, read_under, terms, upload},
    *,
};
use crate::{
    person::{
        SourceId,
        guardianship::{Relationship, RelationshipText},
    },
    upload::roll::Gone,
};

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
        assert_eq!((id("Ella"), id("Ellie")), (vec!["9".into()], vec!["8".into()]));
    }
}

#[test]
fn edge_case_57_a_contacts_id_given_to_the_other_parent_is_nobodys() {
    let ann = ["Ann", "Smith", "1", "3", "04/03/2018"];
    let directory = after(&row(ann, MARY));
    for (contact, is_she) in [
        // Married, moved, short of a name, misspelt: herself.
        (["Mother", "Mary", "Grey", "C1", "mary@example.com", "07700 900001"], true),
        (["Mother", "Mary", "Smith", "C1", "new@example.com", "07700 900099"], true),
        (["Mother", "Maryam", "Smith", "C1", "new@example.com", "07700 900099"], true),
        (["Mother", "Polly", "Smith", "C1", "new@example.com", "07700 900099"], true),
        (["Mother", "Marie", "Smith", "C1", "mary@example.com", ""], true),
        (["Mother", "Marie", "Smith", "C1", "", ""], true),
        // Another forename and nothing that she is reached by.
        (["Father", "John", "Smith", "C1", "john@example.com", "07700 900002"], false),
    ] {
        let plan = full(&read(&row(ann, contact)), &directory);
        let is_found = codes(&plan.findings).contains(&"2  id_reused".to_owned());
        assert_eq!(!is_found, is_she, "{contact:?}");
        // Whom nobody can tell stays as they are, tied as they were.
        assert!(is_she || plan.changes.is_empty(), "{contact:?}: {:?}", plan.counts);
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
    assert_eq!((unsure.counts.pupil.created, unsure.counts.pupil.missing), (0, 0));
    assert_eq!(codes(&unsure.findings), ["2  ambiguous"]);
    // In one file without ids, another class says that they are two: the second row waits for ids.
    let roll = read(
        &(row(["Ann", "Smith", "", "3", "04/03/2018"], MARY)
            + &row(["Ann", "Smith", "", "4", "04/03/2018"], MARY)),
    );
    assert_eq!(codes(&roll.findings), ["3  ambiguous"]);
    // So does a date that is no day and is another one: a second contact of the first child comes in, the second child's does not.
    let jo = ["Mother", "Jo", "Smith", "", "jo@example.com", ""];
    let rows = row(["Ann", "Smith", "", "3", "31/02/2018"], MARY)
        + &row(["Ann", "Smith", "", "3", "45/03/2018"], jo)
        + &row(
            ["Ann", "Smith", "", "3", " 31/02/2018 "],
            ["Father", "Al", "Smith", "", "al@example.com", ""],
        );
    let roll = read(&rows);
    assert_eq!(
        codes(&roll.findings),
        ["2 E date_invalid", "3  ambiguous", "3 E date_invalid", "4 E date_invalid"]
    );
    assert_eq!((roll.of(Role::Pupil).count(), roll.links.len()), (1, 2));
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
    // Without ids the relationship tells them apart: of one child the second waits, of two children they are two.
    let [father, grandfather] = [father, grandfather]
        .map(|[is, given, family, _, email, mobile]| [is, given, family, "", email, mobile]);
    let roll = read(&(row(ann, father) + &row(ann, grandfather)));
    assert_eq!(codes(&roll.findings), ["3  ambiguous"]);
    let ben = ["Ben", "Smith", "2", "1", "05/04/2020"];
    let rows = row(ann, father) + &row(ben, grandfather);
    let directory = after(&rows);
    assert_eq!((count_of(&directory, Role::Contact), directory.visible_links().count()), (2, 2));
    assert!(full(&read(&rows), &directory).changes.is_empty());
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
fn edge_case_55_new_ids_of_two_who_are_a_letter_apart_are_proposed_for_each() {
    let family = |n: usize, id: &str| {
        let (family, contact, email) = (format!("Cole{n}"), format!("C{n}"), format!("c{n}@example.com"));
        row(["Ada", &family, id, "3", "04/03/2018"], ["Mother", "Grace", &family, &contact, &email, ""])
    };
    let school = |of: [&str; 2]| {
        let others = (2..14).map(|n| family(n, &format!("P{n}")));
        family(0, of[0]) + &family(1, of[1]) + &others.collect::<String>()
    };
    let mut directory = after(&school(["P0", "P1"]));
    let (kept_from, _) = directory
        .visible_people()
        .find(|(_, person)| person.role == Role::Pupil && person.name.family() == "Cole0")
        .unwrap();
    let ends = directory.links.keys().copied().find(|(pupil, _)| *pupil == kept_from).unwrap();
    directory.links.get_mut(&ends).unwrap().value.as_mut().unwrap().restricted = true;
    for (ids, proposals) in [(["N0", "P1"], 1), (["N0", "N1"], 2)] {
        let plan = full(&read(&school(ids)), &directory);
        assert_eq!(plan.held, Some(HeldBecause::SamePersonProposed), "{ids:?}");
        assert_eq!((plan.proposals.len(), plan.counts.pupil.created), (proposals, 0), "{ids:?}");
    }
    // The restriction goes along.
    let plan = full(&read(&school(["N0", "N1"])), &directory);
    apply(&mut directory, &plan);
    assert!(directory.links[&ends].value.as_ref().unwrap().restricted);
    assert_eq!(directory.person(kept_from).unwrap().source_ids[0].id, "N0");
}

#[test]
fn edge_case_55_a_restriction_of_somebody_who_may_be_either_of_two_says_where_to_look() {
    let ann = |id, parent| row(["Ann", "Smith", id, "3", "04/03/2018"], parent);
    let jo = ["Mother", "Jo", "Cole", "C2", "jo@example.com", ""];
    let ben =
        row(["Ben", "Jones", "9", "4", "05/04/2017"], ["Father", "Al", "Jones", "C9", "al@example.com", ""]);
    let mut directory = after(&(ann("1", MARY) + &ann("2", jo) + &ben));
    let (mary, _) = person(&directory, "Mary");
    let ends = directory.links.keys().copied().find(|(_, contact)| *contact == mary).unwrap();
    directory.links.get_mut(&ends).unwrap().value.as_mut().unwrap().restricted = true;
    // Two of one name and one birthday have new ids: which is which, nobody can say, and the new pupil in row 5 is somebody else.
    let new = row(["Cy", "Day", "7", "3", "04/03/2018"], ["Mother", "Di", "Day", "C7", "di@example.com", ""]);
    let plan = full(&read(&(ann("5", MARY) + &ann("6", jo) + &ben + &new)), &directory);
    assert_eq!(plan.held, Some(HeldBecause::RestrictedContactReplaced));
    assert!(plan.proposals.is_empty());
    assert_eq!(codes(&plan.findings), ["2  restriction_unresolved", "3  restriction_unresolved"]);
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
fn edge_case_52_ids_in_whatever_order_are_the_same_ids() {
    let directory = after(&row(["Ann", "Smith", "1", "3", "04/03/2018"], MARY));
    let id = |source: &str| SourceId { source: source.into(), id: "1".into() };
    let ann = Person {
        source_ids: vec![id("wonde"), id("upn")].into(),
        ..Person::clone(person(&directory, "Ann").1)
    };
    let says = Says { columns: &BTreeSet::new(), file: "two" };
    assert_eq!(merge::person(&ann, &ann, says), ann);
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
fn edge_case_62_a_part_of_a_name_that_is_left_out_stays() {
    let mut directory = after(&row(["Zoë", "Smith", "1", "3", "04/03/2018"], MARY));
    let plan = full(&read(&row(["", "Smyth", "1", "3", "04/03/2018"], MARY)), &directory);
    apply(&mut directory, &plan);
    assert_eq!(person(&directory, "Zoë").1.name.family(), "Smyth");
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
        range.map(|n| format!("Ann,Smith,{n},3,,,,,,,,,,\n")).collect::<Vec<_>>().concat()
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

#[test]
fn edge_case_54_an_older_file_removes_nobody_whom_it_says_is_gone() {
    let before = after(
        &(row(["Ann", "Smith", "1", "3", "04/03/2018"], MARY)
            + &row(["Ben", "Smith", "2", "1", "05/04/2020"], MARY)),
    );
    let mut roll = read(&row(["Ann", "Smith", "1", "3", "04/03/2018"], MARY));
    roll.gone = vec![Gone { role: Role::Pupil, source: "csv", id: "2".to_owned() }];
    roll.exported_at = Some(now());
    for (seconds, missing) in [(1, 0), (-1, 1)] {
        let last_export = Some(now() + jiff::SignedDuration::from_secs(seconds));
        let terms = Terms { scope: &Scope::Partial, last_export, ..terms(upload(2)) };
        assert_eq!(plan(&roll, &before, terms).counts.pupil.missing, missing);
    }
}

#[test]
fn what_a_file_says_of_a_tie_takes_the_place_of_what_it_said() {
    let header = "Pupil ID,Forename,Surname,Contact ID,Contact Forename,Contact Surname,Relationship,Emergency contact\n";
    let read = |relationship: &str, emergency: &str| {
        read_under(header, &format!("1,Ann,Smith,C1,Mary,Smith,{relationship},{emergency}\n"))
    };
    let mut directory = Directory::default();
    for (relationship, emergency, expected) in [
        ("Neighbour", "Y", (Relationship::Other, Some("Neighbour"), true)),
        // A blank is no word.
        ("", "", (Relationship::Other, Some("Neighbour"), true)),
        ("Childminder", "perhaps", (Relationship::Other, Some("Childminder"), true)),
        ("Aunt", "N", (Relationship::Relative, None, false)),
        ("", "", (Relationship::Relative, None, false)),
    ] {
        let plan = full(&read(relationship, emergency), &directory);
        apply(&mut directory, &plan);
        let link = only_link(&directory);
        let told = (
            link.relationship,
            link.relationship_text.as_ref().map(RelationshipText::expose),
            link.emergency_contact,
        );
        assert_eq!(told, expected, "{relationship} {emergency}");
    }
    assert!(full(&read("Aunt", "N"), &directory).changes.is_empty());
}

#[test]
fn what_the_office_set_by_hand_stays_until_the_source_says_the_same() {
    let ann = ["Ann", "Smith", "1", "3", "04/03/2018"];
    let mut directory = after(&row(ann, MARY));
    let (id, mary) = person(&directory, "Mary");
    let typed = Person {
        emails: ["typed@example.com".parse().unwrap()].into(),
        by_hand: vec![crate::privacy::agreement::Field::Email],
        ..mary.clone()
    };
    directory.people.insert(id, crate::person::made_up::stored(typed.clone()));
    assert!(full(&read(&row(ann, MARY)), &directory).changes.is_empty());
    let agrees = ["Mother", "Mary", "Smith", "C1", "typed@example.com", "07700 900001"];
    let plan = full(&read(&row(ann, agrees)), &directory);
    apply(&mut directory, &plan);
    assert!(directory.person(id).unwrap().by_hand.is_empty());
    // From then on the source's word counts again.
    let plan = full(&read(&row(ann, MARY)), &directory);
    apply(&mut directory, &plan);
    assert_eq!(directory.person(id).unwrap().email().unwrap().expose(), "mary@example.com");
}

#[test]
fn who_comes_back_as_they_were_has_not_changed() {
    let family = |n: usize| {
        let (family, email) = (format!("Family{n}"), format!("c{n}@example.com"));
        row(
            ["Ada", &family, &format!("P{n}"), "3", "04/03/2018"],
            ["Mother", "Grace", &family, &format!("C{n}"), &email, ""],
        )
    };
    let all: String = (0..20).map(family).collect();
    let mut directory = after(&all);
    // Nearly everybody is absent, and that is approved.
    let plan = full(&read(&family(0)), &directory);
    assert_eq!(plan.held, Some(HeldBecause::ManyMissing));
    apply(&mut directory, &plan);
    let back = full(&read(&all), &directory);
    assert_eq!((back.counts.pupil.changed, back.counts.contact.changed), (19, 19));
    assert_eq!(back.held, None);
    // Who comes back as somebody else has changed.
    let others = full(&read(&all.replace(",3,04/03", ",4,04/03")), &directory);
    assert_eq!(others.held, Some(HeldBecause::ManyChanged));
    apply(&mut directory, &back);
    assert!(full(&read(&all), &directory).changes.is_empty());
}

#[test]
fn a_file_for_a_part_of_the_school_means_nobody_who_keeps_their_id() {
    let ella = row(["Ella", "Smith", "1", "3", "04/03/2018"], MARY);
    let twin = row(["Elle", "Smith", "2", "3", "04/03/2018"], MARY);
    let reads = |directory: &Directory, roll: &Roll, scope: &Scope| {
        let plan = plan(roll, directory, Terms { scope, ..terms(upload(2)) });
        (plan.held, plan.counts.pupil.created, plan.proposals.len())
    };
    // In the whole school's file somebody else's id has come in the place of hers; in a part of it she is only not named.
    let same = row(["Ella", "Smith", "2", "3", "04/03/2018"], MARY);
    let mut directory = after(&ella);
    assert_eq!(reads(&directory, &read(&same), &Scope::Full), (Some(HeldBecause::SamePersonProposed), 0, 1));
    for roll in [&same, &twin] {
        assert_eq!(reads(&directory, &read(roll), &Scope::Partial), (None, 1, 0));
    }
    // Whom the file says is gone, and whoever is missing, may have the new id.
    let gone = |roll: Roll| Roll {
        gone: vec![Gone { role: Role::Pupil, source: "csv", id: "1".to_owned() }],
        ..roll
    };
    let said = reads(&directory, &gone(read(&same)), &Scope::Partial);
    assert_eq!((said.1, said.2), (0, 1));
    for stored in directory.people.values_mut() {
        stored.value.as_mut().unwrap().missing_since = Some(now());
    }
    assert_eq!(reads(&directory, &read(&same), &Scope::Partial).2, 1);
    // So may who is known in another numbering.
    let mut directory = after(&ella);
    for stored in directory.people.values_mut() {
        for id in &mut stored.value.as_mut().unwrap().source_ids {
            id.source = "wonde".into();
        }
    }
    assert_eq!(reads(&directory, &read(&same), &Scope::Partial).2, 2, "she and her mother");
}
