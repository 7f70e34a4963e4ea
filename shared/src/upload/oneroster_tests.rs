use std::path::PathBuf;

use proptest::prelude::*;

use super::{
    super::{
        archive,
        bundle::tests::{agreement, findings, gone, is_partial, people, read, ties, zip},
        roll::Roll,
    },
    *,
};
use crate::{person::Role, privacy::agreement::Field};

const MANIFEST: &str = "propertyName,value\nmanifest.version,1.0\noneroster.version,1.1\nfile.users,bulk\nfile.demographics,bulk\n\
                        file.classes,bulk\nfile.enrollments,bulk\nfile.orgs,absent\n";
const DELTA: &str = "propertyName,value\noneroster.version,1.1\nfile.users,delta\n";
const USERS: &str = "sourcedId,status,dateLastModified,enabledUser,orgSourcedIds,role,username,userIds,givenName,familyName,\
                     middleName,identifier,email,sms,phone,agentSourcedIds,grades,password\n";

/// A row of users.csv: id, role, given and family name, e-mail, mobile, agents, grades.
fn user(cells: [&str; 8]) -> String {
    changed("", "", cells)
}

fn changed(status: &str, modified: &str, cells: [&str; 8]) -> String {
    let [id, role, given, family, email, sms, agents, grades] = cells;
    format!(
        "{id},{status},{modified},true,org1,{role},{id},,{given},{family},,,{email},{sms},,\"{agents}\",\"{grades}\",\n"
    )
}

fn family() -> [String; 6] {
    [
        user(["p1", "student", "Ann", "Smith", "", "", "c1", "03"]),
        user(["p2", "student", "Ben", "Smith", "", "", "", "Reception,01"]),
        user(["p3", "student", "Cy", "Day", "", "", "t1,c2", "12"]),
        user(["c1", "parent", "Dee", "Smith", "dee@example.com", "07700900001", "p1,p2", ""]),
        user(["c2", "guardian", "Eve", "Day", "eve@example.com", "07700900002", "", ""]),
        user(["t1", "teacher", "Fay", "Jones", "fay@example.com", "", "", ""]),
    ]
}

fn users(rows: &[String]) -> String {
    format!("{USERS}{}", rows.concat())
}

fn roll(files: &[(&str, &str)]) -> Roll {
    read(&zip(files), &agreement()).unwrap()
}

#[test]
fn a_whole_bundle_becomes_families_groups_and_staff() {
    let roll = roll(&[
        ("manifest.csv", MANIFEST),
        ("users.csv", &users(&family())),
        (
            "demographics.csv",
            "sourcedId,status,dateLastModified,birthDate,sex,asian\np1,,,2018-10-03,female,true\np2,,,2022-02-30,,\nc1,,,1985-01-01,,\n",
        ),
        (
            "classes.csv",
            "sourcedId,status,dateLastModified,title,grades,courseSourcedId,classCode,classType\nk1,,,3A,,,,homeroom\nk2,,,Choir,,,,scheduled\nk3,,,,,,Maths-1,scheduled\n",
        ),
        (
            "enrollments.csv",
            "sourcedId,status,dateLastModified,classSourcedId,schoolSourcedId,userSourcedId,role,primary,beginDate,endDate\n\
            e1,,,k1,org1,p1,student,,,\ne2,,,k2,org1,p1,student,,,\ne3,,,k3,org1,p1,student,,2026-09-01,2027-07-20\n\
            e4,,,k2,org1,p2,student,,2025-09-01,2026-07-20\ne5,,,k1,org1,t1,teacher,,,\ne6,,,k9,org1,p1,student,,,\n",
        ),
    ]);
    assert_eq!(
        people(&roll),
        [
            "002 pupil p1 Ann Smith 2018-10-03 Y3 3A [\"Choir\", \"Maths-1\"]",
            "003 pupil p2 Ben Smith YR",
            "004 pupil p3 Cy Day Y12",
            "005 contact c1 Dee Smith dee@example.com +447700900001",
            "006 contact c2 Eve Day eve@example.com +447700900002",
            "007 staff t1 Fay Jones [\"3A\"] fay@example.com",
        ]
    );
    // Named by one end or by both, a tie is one tie; a teacher is nobody's parent; nobody is responsible by what is not said.
    assert_eq!(
        ties(&roll),
        ["p1 c1 Parent Unknown None", "p2 c1 Parent Unknown None", "p3 c2 Guardian Unknown None"]
    );
    assert_eq!(
        findings(&roll),
        [
            "1 demographics.csv asian column_not_agreed",
            "1 demographics.csv sex column_not_agreed",
            "1 users.csv middleName column_not_agreed",
            "1 users.csv password column_not_agreed",
            "1 users.csv username column_not_agreed",
            "3 demographics.csv birthDate date_invalid",
            "4 users.csv agentSourcedIds link_unknown",
        ]
    );
    assert!(!is_partial(&roll));
    assert_eq!(roll.rows, 6);
    assert!(roll.gone.is_empty());
}

#[test]
fn a_delta_says_who_is_gone_and_nothing_about_the_others() {
    let at = "2026-11-20T08:15:30.000Z";
    let roll = roll(&[
        ("manifest.csv", DELTA),
        (
            "users.csv",
            &users(&[
                changed("active", at, ["p1", "student", "Ann", "Smith", "", "", "c9", "03"]),
                changed(
                    "tobedeleted",
                    "2026-11-21T08:15:30.000Z",
                    ["p2", "student", "Ben", "Smith", "", "", "", ""],
                ),
                changed("tobedeleted", at, ["c1", "parent", "Dee", "Smith", "", "", "", ""]),
                changed("active", "", ["t1", "teacher", "Fay", "Jones", "", "", "", ""]),
            ]),
        ),
    ]);
    assert!(is_partial(&roll));
    assert_eq!(gone(&roll), ["pupil oneroster p2", "contact oneroster c1"]);
    assert_eq!(people(&roll), ["002 pupil p1 Ann Smith Y3", "005 staff t1 Fay Jones"]);
    assert_eq!(roll.exported_at.unwrap().to_string(), "2026-11-21T08:15:30Z");
    let found = findings(&roll);
    let absent: Vec<_> = roll
        .absent(Role::Contact)
        .map(|(_, referred)| (referred.finding.row, &*referred.finding.column))
        .collect();
    assert_eq!(absent, [(2, "users.csv agentSourcedIds")], "the school may know who that is");
    assert!(found.contains(&"5 users.csv status mode_broken".to_owned()), "{found:?}");
}

#[test]
fn edge_case_48_a_bundle_without_users_removes_nobody() {
    for text in ["", USERS, &format!("{USERS},,,,,,,,,,,,,,,,,\n"), "a,b\n1,2\n"] {
        let bytes = zip(&[("manifest.csv", MANIFEST), ("users.csv", text)]);
        assert_eq!(read(&bytes, &agreement()).map(|_| ()), Err(Refusal::HeaderOnly), "{text}");
    }
    let bytes = zip(&[("manifest.csv", MANIFEST)]);
    assert_eq!(read(&bytes, &agreement()).map(|_| ()), Err(Refusal::HeaderOnly));
    let gone =
        users(&[changed("tobedeleted", "2026-11-20", ["p1", "student", "Ann", "Smith", "", "", "", ""])]);
    assert!(is_partial(&roll(&[("manifest.csv", MANIFEST), ("users.csv", &gone)])));
}

#[test]
fn a_bundle_that_contradicts_itself_calls_nobody_missing() {
    let rows = [
        changed("", "", ["p1", "student", "Ann", "Smith", "", "", "c1", "03"]),
        changed("inactive", "1/05/2023", ["p2", "student", "Ben", "Smith", "", "", "", ""]),
        changed("Maybe", "2099-01-01", ["c1", "parent", "Dee", "Smith", "", "", "", ""]),
    ];
    let roll_of = |manifest: &str| roll(&[("manifest.csv", manifest), ("users.csv", &users(&rows))]);
    let roll = roll_of("propertyName,value\nfile.users,bulk\nfile.roles,bulk\nfile.orgs,sometimes\n");
    assert!(is_partial(&roll));
    assert_eq!(gone(&roll), ["pupil oneroster p2"]);
    assert_eq!(people(&roll), ["002 pupil p1 Ann Smith Y3", "004 contact c1 Dee Smith"]);
    assert_eq!(roll.exported_at, None);
    let found = findings(&roll);
    for expected in [
        "0 roles.csv file_broken",
        "3 users.csv status mode_broken",
        "3 users.csv dateLastModified file_broken",
        "4 users.csv status word_unclear",
        "4 manifest.csv value file_broken",
    ] {
        assert!(found.contains(&expected.to_owned()), "{expected} {found:?}");
    }
    // Said to be absent, and there.
    assert!(is_partial(&roll_of("propertyName,value\nfile.users,absent\n")));
}

#[test]
fn version_1_2_has_roles_in_a_file_of_their_own() {
    let users = "sourcedId,status,dateLastModified,enabledUser,username,userIds,givenName,familyName,middleName,identifier,email,\
                 sms,phone,agentSourcedIds,grades,password,userMasterIdentifier,prefferedGivenName,preferredMiddleName,\
                 preferredFamilyName,primaryOrgSourcedId,pronouns\n\
                 p1,,,false,p1,{UPN:B801200005001},Ann,Smith,,,,,,c1,07,,,Annie,,,org1,\n\
                 c1,,,true,c1,,Dee,Smith,,,dee@example.com,,01632 960001,,,,,,,,org1,\n\
                 t1,,,true,t1,,Fay,Jones,,,,,,,,,,,,,org1,\n\
                 x1,,,true,x1,,Gil,Hope,,,,,,,,,,,,,org1,\n";
    let roles = "sourcedId,status,dateLastModified,userSourcedId,roleType,role,beginDate,endDate,orgSourcedId,userProfileSourcedId,,\n\
                 r1,,,p1,primary,student,,,org1,,,\nr2,,,c1,secondary,parent,,,org1,,,\nr3,,,c1,primary,teacher,,,org1,,,\n\
                 r4,,,t1,primary,principal,,2026-07-31,org1,,,\nr5,,,x1,primary,proctor,,,org1,,,\n";
    let manifest = "propertyName,value\noneroster.version,1.2\nfile.users,bulk\nfile.roles,bulk\n";
    let roll_of =
        |name: &str, manifest: &str| roll(&[("manifest.csv", manifest), ("Users.csv", users), (name, roles)]);
    let roll = roll_of("roles.csv", manifest);
    assert_eq!(
        people(&roll),
        [
            "002 pupil p1 Ann Smith (Annie ) Y7 upn:B801200005001",
            "003 contact c1 Dee Smith dee@example.com +441632960001",
            "003 staff c1 Dee Smith dee@example.com",
        ]
    );
    assert_eq!(ties(&roll), ["p1 c1 Parent Unknown None"]);
    let found = findings(&roll);
    for expected in
        ["4 users.csv role role_unknown", "6 roles.csv role role_unknown", "5 users.csv role role_unknown"]
    {
        assert!(found.contains(&expected.to_owned()), "{expected} {found:?}");
    }
    assert!(!is_partial(&roll));
    // A public bundle keeps them in userprofiles.csv, in lower case.
    let misplaced = roll_of("userprofiles.csv", "propertyName,value\nfile.users,bulk\n");
    assert_eq!(people(&misplaced), people(&roll));
    assert!(findings(&misplaced).contains(&"0 userProfiles.csv file_broken".to_owned()));
}

#[test]
fn version_1_0_has_other_names_and_no_manifest() {
    let users = "SOURCEDID,enabledUser,role,givenName,familyName,identifier,agents,grade,userId,ext_shoeSize\n\
                 p1,TRUE,Student,Ann,Smith,B801200005001,c1,3,abc,31\nc1,TRUE,Relative,Dee,Smith,B801200005001,,,,\n";
    let roll = roll(&[
        ("users.csv", users),
        ("demographics.csv", "userSourcedId,birthdate\np1,2018-10-03\n"),
        ("readme.txt", "hello"),
    ]);
    assert_eq!(
        people(&roll),
        ["002 pupil p1 Ann Smith 2018-10-03 Y3 upn:B801200005001", "003 contact c1 Dee Smith"]
    );
    assert_eq!(ties(&roll), ["p1 c1 Relative Unknown None"]);
    assert_eq!(
        findings(&roll),
        ["0  file_unexpected", "0 manifest.csv file_broken", "1 users.csv J column_unknown", "2  no_contact"]
    );
}

#[test]
fn every_finding_stands_once_at_its_own_row() {
    let mut rows = family();
    rows[3] = user(["c1", "parent", "Dee", "Smith", "dee-example.com", "12", "p1,p2", ""]);
    let found = findings(&roll(&[
        ("manifest.csv", "propertyName,value\nfile.users,bulk\n"),
        ("users.csv", &users(&rows)),
    ]));
    let at = |row: &str| found.iter().filter(|line| line.starts_with(row)).cloned().collect::<Vec<_>>();
    assert_eq!(at("5 "), ["5 users.csv email email_invalid", "5 users.csv sms phone_invalid"]);
}

#[test]
fn broken_records_are_found_and_passed_over() {
    let rows = [
        user(["", "student", "No", "Id", "", "", "", ""]),
        user(["p1", "student", "Ann", "Smith", "", "", "", ""]),
        user(["p1", "student", "Ann", "Smith", "", "", "", "04"]),
        user(["p1", "student", "Zed", "Other", "", "", "", ""]),
        user(["p2", "student", "", "", "", "", "c1", ""]),
        user(["c1", "parent", "Dee", "Smith", "", "", "", ""]),
        user(["x1", "", "Who", "Knows", "", "", "", ""]),
        "short\n".to_owned(),
    ];
    let roll =
        roll(&[("manifest.csv", "propertyName,value\nfile.users,bulk\n"), ("users.csv", &users(&rows))]);
    assert_eq!(people(&roll), ["003 pupil p1 Ann Smith"]);
    let found = findings(&roll);
    for expected in [
        "2 users.csv sourcedId record_invalid",
        "4 users.csv sourcedId conflicting_values",
        "5 users.csv sourcedId id_reused",
        "6  name_missing",
        "8 users.csv role role_unknown",
        "9 users.csv row_ragged",
    ] {
        assert!(found.contains(&expected.to_owned()), "{expected} {found:?}");
    }
}

#[test]
fn files_of_groups_that_cannot_be_read_clear_nobodys_groups() {
    let classes = "sourcedId,title,classType\nk1,3A,homeroom\n";
    let enrollments = "sourcedId,classSourcedId,userSourcedId\ne1,k1,p1\n";
    for (classes, enrollments, is_said) in [
        (classes, enrollments, true),
        ("id,name\nk1,3A\n", enrollments, false),
        ("sourcedId,title,classType\n", enrollments, false),
        (classes, "sourcedId,class,user\ne1,k1,p1\n", false),
        // Nobody is in any class: that is a word.
        (classes, "sourcedId,classSourcedId,userSourcedId\n", true),
    ] {
        let roll = roll(&[
            ("manifest.csv", MANIFEST),
            ("users.csv", &users(&family())),
            ("classes.csv", classes),
            ("enrollments.csv", enrollments),
        ]);
        let column = crate::upload::column::Column { role: Role::Pupil, field: Field::Class };
        assert_eq!(roll.columns.contains(&column), is_said, "{classes} {enrollments}");
    }
}

#[test]
fn a_whole_bundle_that_says_when_it_was_changed_is_told_and_stays_whole() {
    let at = "2026-11-20T08:15:30.000Z";
    let roll = roll(&[
        ("manifest.csv", "propertyName,value\noneroster.version,1.1\nfile.users,bulk\n"),
        (
            "users.csv",
            &users(&[
                changed("", at, ["p1", "student", "Ann", "Smith", "", "", "", ""]),
                changed("", at, ["p2", "student", "Ben", "Day", "", "", "", ""]),
            ]),
        ),
    ]);
    assert!(!is_partial(&roll));
    assert_eq!(roll.exported_at.unwrap().to_string(), "2026-11-20T08:15:30Z");
    let found = findings(&roll);
    let told: Vec<_> = found.iter().filter(|found| found.contains("dateLastModified")).collect();
    assert_eq!(told, ["2 users.csv dateLastModified file_broken"]);
}

#[test]
fn an_open_quotation_mark_calls_nobody_missing() {
    let text = users(&family()).replace("eve@", "\"eve@");
    let roll = roll(&[("manifest.csv", MANIFEST), ("users.csv", &text)]);
    assert!(is_partial(&roll));
    assert!(findings(&roll).contains(&"0 users.csv file_broken".to_owned()));
}

#[test]
fn what_the_agreement_leaves_out_is_not_handed_over() {
    let mut agreement = agreement();
    agreement.fields.remove(&Role::Staff);
    for role in [Role::Pupil, Role::Contact] {
        agreement.fields.get_mut(&role).unwrap().remove(&Field::SourceId);
    }
    let bytes = zip(&[("manifest.csv", MANIFEST), ("users.csv", &users(&family()))]);
    let roll = read(&bytes, &agreement).unwrap();
    assert_eq!(people(&roll).len(), 5);
    assert_eq!(roll.links.len(), 3);
    assert!(people(&roll).iter().all(|person| person.contains(" ? ")));
    assert!(findings(&roll).contains(&"7 users.csv role role_not_agreed".to_owned()));
}

#[test]
fn edge_case_64_too_many_people_are_refused_and_many_are_read_in_linear_time() {
    let many = |count: usize| {
        let rows: Vec<_> = (0..count)
            .map(|at| match at % 2 {
                0 => {
                    user([&format!("p{at}"), "student", "Ann", "Smith", "", "", &format!("c{}", at + 1), "3"])
                }
                _ => user([
                    &format!("c{at}"),
                    "parent",
                    "Dee",
                    "Smith",
                    &format!("dee{at}@example.com"),
                    "",
                    "",
                    "",
                ]),
            })
            .collect();
        zip(&[("manifest.csv", MANIFEST), ("users.csv", &users(&rows))])
    };
    let roll = read(&many(10_000), &agreement()).unwrap();
    assert_eq!((roll.people.len(), roll.links.len()), (10_000, 5000));
    assert_eq!(read(&many(100_001), &agreement()).map(|_| ()), Err(Refusal::TooManyRows));
}

/// A real bundle of 1.1 with the headers of 1.0, where the folder is there.
#[test]
fn a_sample_with_statuses_in_a_whole_bundle() {
    let folder = PathBuf::from(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../shared/samples/oneroster-oat-sa/data/samples/OneRosterv1p1BaseCSV"
    ));
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    let files: Vec<_> = entries
        .flatten()
        .map(|entry| (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap()))
        .collect();
    let files: Vec<_> = files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect();
    let bytes = archive::tests::zip(&files);
    // Two pupils in two schools, without anybody who could be written to, and statuses where none may be.
    assert_eq!(read(&bytes, &agreement()).map(|_| ()), Err(Refusal::SeveralSchools));
    let (archive, agreement) = (Archive::open(&bytes).unwrap(), agreement());
    let mut intake = Intake::new(&agreement, jiff::civil::date(2026, 11, 22)).of_org(Some("my identifier"));
    super::read(&archive, &mut intake).unwrap();
    let roll = intake.finish().unwrap();
    assert!(is_partial(&roll) && roll.links.is_empty() && roll.gone.is_empty());
    assert!(roll.people.iter().all(|entry| !entry.value.groups.is_empty()));
    assert!(findings(&roll).contains(&"2 enrollments.csv status mode_broken".to_owned()));
    assert_eq!(roll.people.len(), 1);
}

proptest! {
    #[test]
    fn no_damage_to_a_bundle_makes_reading_panic(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
        file in 0..4_usize,
    ) {
        let users = users(&family());
        let mut files = [
            ("manifest.csv", MANIFEST.as_bytes().to_vec()),
            ("users.csv", users.into_bytes()),
            ("classes.csv", b"sourcedId,title,classType\nk1,3A,homeroom\n".to_vec()),
            ("enrollments.csv", b"classSourcedId,userSourcedId,endDate\nk1,p1,2027-01-01\n".to_vec()),
        ];
        for (index, byte) in changes {
            let at = index.index(files[file].1.len());
            files[file].1[at] = byte;
        }
        let files: Vec<_> = files.iter().map(|(name, bytes)| (*name, bytes.as_slice())).collect();
        let _ = read(&archive::tests::zip(&files), &agreement());
    }

    #[test]
    fn no_text_makes_reading_panic(users: String, roles: String, other: String) {
        let _ = read(&zip(&[("manifest.csv", &other), ("users.csv", &users), ("roles.csv", &roles), ("classes.csv", &users), ("enrollments.csv", &roles), ("demographics.csv", &other)]), &agreement());
    }
}

#[test]
fn edge_case_62_ruined_letters_of_a_bundle_are_not_stored() {
    let rows = [
        user(["p1", "student", "ZoÃ«", "Smith", "", "", "c1", "03"]),
        user(["c1", "parent", "Zoë", "O\u{fffd}Hara", "zoe@example.com", "", "p1", ""]),
    ];
    let roll = roll(&[("manifest.csv", MANIFEST), ("users.csv", &users(&rows))]);
    assert_eq!(people(&roll), ["002 pupil p1  Smith Y3", "003 contact c1 Zoë  zoe@example.com"]);
    let found = findings(&roll);
    for finding in ["2 users.csv givenName text_garbled", "3 users.csv familyName text_garbled"] {
        assert_eq!(found.iter().filter(|found| **found == finding).count(), 1, "{finding}: {found:?}");
    }
}
