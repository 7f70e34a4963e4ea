use proptest::prelude::*;

use super::super::bundle::tests::{agreement, findings, gone, is_partial, people, read, ties, zip};
use crate::person::Role;

const USERS: &str = "sourcedId,username,givenName,familyName,password,activeDirectoryMatchId,email,phone,sms\n\
                     p1,ann,Ann,Smith,,,ann@school.example.com,,\np2,ben,Ben,Smith,,,,,\n\
                     c1,,Dee,Smith,,,dee@example.com,,07700 900001\nc2,,Eve,Day,,,eve@example.com,,\n\
                     t1,fay,Fay,Jones,,,fay@example.com,,\nx1,,Gil,Hope,,,,,\n";
const ROLES: &str = "userSourcedId,orgSourcedId,role,sessionSourcedId,grade,isPrimary,roleStartDate,roleEndDate\n\
                     p1,o1,student,,03,,,\np2,o1,student,,KG,,,\nt1,o1,teacher,,,,,\nx1,o1,alien,,,,,\n";
const RELATIONSHIPS: &str = "userSourcedId,relationshipUserSourcedId,relationshipRole\n\
                             p1,c1,guardian\np2,c1,parent\nc2,p2,relative\np1,t1,aide\np1,p2,relative\np1,c9,parent\n";

fn files(relationships: &str) -> Vec<u8> {
    zip(&[
        ("users.csv", USERS),
        ("roles.csv", ROLES),
        ("relationships.csv", relationships),
        ("orgs.csv", "sourcedId,name,type,parentSourcedId\no1,School,school,\n"),
        ("classes.csv", "sourcedId,orgSourcedId,title,sessionSourcedIds,courseSourcedId\nk1,o1,3A,,\n"),
        (
            "enrollments.csv",
            "classSourcedId,userSourcedId,role\nk1,p1,student\nk1,t1,teacher\nk2,p1,student\n",
        ),
        (
            "demographics.csv",
            "userSourcedId,sex,birthDate,birthCity,birthState,birthCountry,ethnicityCodes,raceCodes\np1,F,2018-10-03,,,,,\np2,M,03/2018,,,,,\n",
        ),
    ])
}

#[test]
fn a_bundle_becomes_families_groups_and_staff() {
    let roll = read(&files(RELATIONSHIPS), &agreement()).unwrap();
    assert_eq!(
        people(&roll),
        [
            "002 pupil p1 Ann Smith 2018-10-03 Y3 [\"3A\"]",
            "003 pupil p2 Ben Smith YKG",
            "004 contact c1 Dee Smith dee@example.com +447700900001",
            "005 contact c2 Eve Day eve@example.com",
            "006 staff t1 Fay Jones [\"3A\"] fay@example.com",
        ]
    );
    assert_eq!(
        ties(&roll),
        [
            "p1 c1 Guardian Unknown None",
            "p1 c9 Parent Unknown None",
            "p2 c1 Parent Unknown None",
            "p2 c2 Relative Unknown None",
        ]
    );
    let absent: Vec<_> = roll
        .absent(Role::Contact)
        .map(|(_, referred)| (referred.finding.row, &*referred.finding.code))
        .collect();
    assert_eq!(absent, [(7, "link_unknown")], "the school may know who that is");
    let found = findings(&roll);
    for expected in [
        "1 users.csv username column_not_agreed",
        "1 demographics.csv raceCodes column_not_agreed",
        "3 demographics.csv birthDate date_invalid",
        "5 relationships.csv relationshipUserSourcedId link_unknown",
        "6 relationships.csv relationshipUserSourcedId link_unknown",
        "5 roles.csv role role_unknown",
        "7 users.csv sourcedId role_unknown",
    ] {
        assert!(found.contains(&expected.to_owned()), "{expected} {found:?}");
    }
    assert!(!is_partial(&roll));
    assert!(gone(&roll).is_empty());
    assert!(roll.people.iter().all(|entry| entry.value.source_ids.iter().all(|id| id.source == "sds")));
}

#[test]
fn a_role_that_is_over_is_none_and_groups_that_cannot_be_read_are_not_cleared() {
    let ended = ROLES.replace("p2,o1,student,,KG,,,", "p2,o1,student,,KG,,2025-09-01,2026-07-20");
    let bundle = |classes: &str| {
        zip(&[
            ("users.csv", USERS),
            ("roles.csv", &ended),
            ("classes.csv", classes),
            ("enrollments.csv", "classSourcedId,userSourcedId,role\nk1,p1,student\n"),
        ])
    };
    for (classes, is_said) in
        [("sourcedId,orgSourcedId,title\nk1,o1,3A\n", true), ("id,org,name\nk1,o1,3A\n", false)]
    {
        let roll = read(&bundle(classes), &agreement()).unwrap();
        assert_eq!(people(&roll).iter().filter(|person| person.contains("pupil")).count(), 1);
        assert!(
            !findings(&roll).iter().any(|found| found.starts_with("3 users.csv")),
            "{:?}",
            findings(&roll)
        );
        let column = crate::upload::column::Column {
            role: Role::Pupil,
            field: crate::privacy::agreement::Field::Groups,
        };
        assert_eq!(roll.columns.contains(&column), is_said, "{classes}");
    }
}

#[test]
fn edge_case_48_a_bundle_that_lacks_a_file_removes_nobody() {
    let roll = read(&zip(&[("users.csv", USERS), ("relationships.csv", RELATIONSHIPS)]), &agreement());
    assert!(roll.is_err_and(|refusal| refusal == crate::upload::Refusal::HeaderOnly));
    let roles = zip(&[("users.csv", &USERS[..USERS.find('\n').unwrap()]), ("roles.csv", ROLES)]);
    assert!(read(&roles, &agreement()).is_err_and(|refusal| refusal == crate::upload::Refusal::HeaderOnly));
}

proptest! {
    #[test]
    fn no_text_makes_reading_panic(users: String, roles: String, relationships: String) {
        let users = format!("sourcedId,givenName\np1,Ann\n{users}");
        let _ = read(&zip(&[("users.csv", &users), ("roles.csv", &roles), ("relationships.csv", &relationships)]), &agreement());
        let _ = read(&files(&relationships), &agreement());
    }
}
