use jiff::civil::date;

use super::super::{
    archive::{self, Bundle},
    bundle::tests::{agreement, findings, gone, people, ties, zip},
    oneroster,
    roll::Roll,
    sds,
};
use super::*;

const WHOLE: &str = "propertyName,value\nfile.users,bulk\n";
const ORGS: &str = "sourcedId,status,dateLastModified,name,type,identifier,parentSourcedId\n\
                    d1,,,Trust,district,,\no1,,,Oakfield,school,100123,d1\no2,,,Elmfield,school,100124,d1\n";
const USERS: &str = "sourcedId,status,dateLastModified,enabledUser,orgSourcedIds,role,givenName,familyName,email,agentSourcedIds,grades\n";
/// Two schools: a pupil each and one of both, a mother with a child in each, a father in one, and a teacher who is a mother.
const ROWS: &str = "p1,,,true,o1,student,Ann,Smith,,c1,03\np2,,,true,o2,student,Ben,Smith,,\"c1,c2\",04\n\
                    p3,,,true,\"o1,o2\",student,Cy,Day,,t2,05\np4,,,true,,student,Di,Lost,,,05\n\
                    c1,,,true,d1,parent,Dee,Smith,dee@example.com,,\nc2,,,true,o1,parent,Eli,Smith,eli@example.com,,\n\
                    t1,,,true,o1,teacher,Fay,Jones,,,\nt2,,,true,o2,teacher,Gil,Day,,,\nt3,,,true,d1,administrator,Head,Office,,,\n";

fn read_as(org: Option<&str>, bytes: &[u8]) -> Result<Roll, Refusal> {
    let (archive, agreement) = (Archive::open(bytes)?, agreement());
    let mut intake = Intake::new(&agreement, date(2026, 11, 22)).of_org(org);
    match archive::kind(&archive).unwrap() {
        Bundle::OneRoster => oneroster::read(&archive, &mut intake)?,
        Bundle::SchoolDataSync => sds::read(&archive, &mut intake)?,
    }
    intake.finish()
}

fn one_roster(orgs: &str, rows: &str) -> Vec<u8> {
    let classes = "sourcedId,title,classType,schoolSourcedId\nk1,5A,homeroom,o1\nk2,Chess,scheduled,o2\n";
    let enrolled = "sourcedId,classSourcedId,userSourcedId\ne1,k1,p3\ne2,k2,p3\n";
    zip(&[
        ("manifest.csv", WHOLE),
        ("orgs.csv", orgs),
        ("users.csv", &format!("{USERS}{rows}")),
        ("classes.csv", classes),
        ("enrollments.csv", enrolled),
    ])
}

#[test]
fn a_bundle_of_several_schools_is_not_taken_in_without_knowing_which_is_ours() {
    let bytes = one_roster(ORGS, ROWS);
    let refused = |org: Option<&str>, bytes: &[u8]| read_as(org, bytes).map(|_| ());
    assert_eq!(refused(None, &bytes), Err(Refusal::SeveralSchools));
    // A school of another trust, and what is no school.
    for org in ["o3", "d1", "100125"] {
        assert_eq!(refused(Some(org), &bytes), Err(Refusal::AnotherSchool), "{org}");
    }
    // Not even where the list of schools is left out, or holds one alone: people say where they are.
    let one = &ORGS[..ORGS.find("o2").unwrap()];
    for orgs in [one, "sourcedId,name\n"] {
        assert_eq!(refused(None, &one_roster(orgs, ROWS)), Err(Refusal::SeveralSchools), "{orgs}");
    }
    // One school alone is ours, unless the settings say otherwise.
    let alone =
        one_roster(one, "p1,,,true,o1,student,Ann,Smith,,,03\nt3,,,true,d1,administrator,Head,Office,,,\n");
    assert_eq!(people(&read_as(None, &alone).unwrap()).len(), 2);
    assert_eq!(refused(Some("100124"), &alone), Err(Refusal::AnotherSchool));
    assert_eq!(people(&read_as(Some("100123"), &alone).unwrap()).len(), 1);
}

#[test]
fn only_this_schools_people_come_in() {
    for org in ["o1", "100123"] {
        let roll = read_as(Some(org), &one_roster(ORGS, ROWS)).unwrap();
        assert_eq!(
            people(&roll),
            [
                "002 pupil p1 Ann Smith Y3",
                "004 pupil p3 Cy Day Y5 5A",
                "006 contact c1 Dee Smith dee@example.com",
                "008 staff t1 Fay Jones",
            ],
            "{org}"
        );
        assert_eq!(ties(&roll), ["p1 c1 Parent Unknown None"]);
        let found = findings(&roll);
        for expected in ["3 users.csv orgSourcedIds other_school", "5 users.csv orgSourcedIds record_invalid"]
        {
            assert!(found.contains(&expected.to_owned()), "{expected} {found:?}");
        }
        // Nothing is said of what others are to whom.
        assert!(!found.iter().any(|finding| finding.contains("link_unknown")), "{found:?}");
    }
    let other = read_as(Some("o2"), &one_roster(ORGS, ROWS)).unwrap();
    assert_eq!(ties(&other), ["p2 c1 Parent Unknown None", "p2 c2 Parent Unknown None"]);
}

#[test]
fn who_is_at_another_school_now_is_gone_from_ours() {
    let delta = "propertyName,value\nfile.users,delta\n";
    let at = "2026-11-20T08:15:30.000Z,true";
    let rows = format!(
        "p1,active,{at},o2,student,Ann,Smith,,,03\np2,tobedeleted,{at},o2,student,Ben,Smith,,,04\n\
         p5,active,{at},o1,student,Eve,New,,,01\n"
    );
    let bytes = zip(&[("manifest.csv", delta), ("users.csv", &format!("{USERS}{rows}"))]);
    let roll = read_as(Some("o1"), &bytes).unwrap();
    assert_eq!(
        (gone(&roll), people(&roll)),
        (vec!["pupil oneroster p1".to_owned()], vec!["004 pupil p5 Eve New Y1".to_owned()])
    );
    // Without its list of schools, nothing says which of them has which number.
    assert_eq!(read_as(Some("100123"), &bytes).map(|_| ()), Err(Refusal::AnotherSchool));
}

#[test]
fn roles_of_version_1_2_are_each_at_a_school() {
    let users = "sourcedId,enabledUser,givenName,familyName,email,agentSourcedIds\np1,true,Ann,Smith,,t1\np2,true,Ben,Day,,t1\n\
                 t1,true,Dee,Smith,dee@example.com,\nt2,true,Fay,Jones,,\n";
    let roles = "sourcedId,userSourcedId,roleType,role,orgSourcedId\nr1,p1,primary,student,o1\nr2,p2,primary,student,o2\n\
                 r3,t1,primary,teacher,o2\nr4,t1,secondary,parent,d1\nr5,t2,primary,teacher,o2\n";
    let bytes = zip(&[
        ("manifest.csv", "propertyName,value\nfile.users,bulk\nfile.roles,bulk\n"),
        ("orgs.csv", ORGS),
        ("users.csv", users),
        ("roles.csv", roles),
    ]);
    assert_eq!(read_as(None, &bytes).map(|_| ()), Err(Refusal::SeveralSchools));
    let roll = read_as(Some("o1"), &bytes).unwrap();
    assert_eq!(people(&roll), ["002 pupil p1 Ann Smith", "004 contact t1 Dee Smith dee@example.com"]);
    assert_eq!(ties(&roll), ["p1 t1 Parent Unknown None"]);
    assert_eq!(findings(&roll), ["3 roles.csv orgSourcedId other_school"]);
}

#[test]
fn school_data_sync_of_several_schools_is_taken_in_as_one() {
    let users = "sourcedId,givenName,familyName,email\np1,Ann,Smith,\np2,Ben,Day,\nc1,Dee,Smith,dee@example.com\n\
                 c2,Eve,Day,eve@example.com\nt1,Fay,Jones,\n";
    let roles = "userSourcedId,orgSourcedId,role,grade\np1,o1,student,03\np2,o2,student,04\nt1,o2,teacher,\n";
    let related = "userSourcedId,relationshipUserSourcedId,relationshipRole\np1,c1,parent\np2,c2,guardian\np2,c1,parent\n";
    let orgs = "sourcedId,name,type,parentSourcedId\no1,Oakfield,School,\no2,Elmfield,School,\n";
    let bytes = zip(&[
        ("users.csv", users),
        ("roles.csv", roles),
        ("relationships.csv", related),
        ("orgs.csv", orgs),
        ("classes.csv", "sourcedId,orgSourcedId,title\nk1,o1,3A\nk2,o2,4B\n"),
        ("enrollments.csv", "classSourcedId,userSourcedId,role\nk1,p1,student\nk2,p1,student\n"),
    ]);
    assert_eq!(read_as(None, &bytes).map(|_| ()), Err(Refusal::SeveralSchools));
    let roll = read_as(Some("o1"), &bytes).unwrap();
    assert_eq!(
        people(&roll),
        ["002 pupil p1 Ann Smith Y3 [\"3A\"]", "004 contact c1 Dee Smith dee@example.com"]
    );
    assert_eq!(ties(&roll), ["p1 c1 Parent Unknown None"]);
    assert_eq!(findings(&roll), ["3 roles.csv orgSourcedId other_school"]);
}
