//! Bundles of which the school knows a part already, from the archive to the directory.

use super::{
    bundle::tests::{agreement, read, zip},
    plan::{Count, Plan, plan, tests},
    store::Scope,
};
use crate::person::{Role, guardianship::Relationship, store::Directory};

const USERS: &str = "sourcedId,status,dateLastModified,enabledUser,orgSourcedIds,role,givenName,familyName,email,agentSourcedIds\n";
const BULK: &str = "propertyName,value\nfile.users,bulk\n";
const DELTA: &str = "propertyName,value\nfile.users,delta\n";
/// What every record of a delta has to say.
const NOW: &str = "active,2026-11-20T08:15:30.000Z,true,org1";

fn take(directory: &mut Directory, files: &[(&str, &str)], scope: &Scope) -> Plan {
    let roll = read(&zip(files), &agreement()).unwrap();
    let plan = plan(&roll, directory, super::plan::Terms { scope, ..tests::terms(tests::upload(1)) });
    tests::apply(directory, &plan);
    plan
}

fn one_roster(directory: &mut Directory, manifest: &str, users: &str) -> Plan {
    take(directory, &[("manifest.csv", manifest), ("users.csv", &format!("{USERS}{users}"))], &Scope::Full)
}

/// Two pupils, of whom one has a mother.
fn school() -> Directory {
    let mut directory = Directory::default();
    let whole = "p1,,,true,org1,student,Ann,Smith,,c1\np2,,,true,org1,student,Ben,Day,,\n\
                 c1,,,true,org1,parent,Dee,Smith,dee@example.com,\nt1,,,true,org1,teacher,Fay,Jones,,\n";
    one_roster(&mut directory, BULK, whole);
    directory
}

/// Ties as `pupil contact relationship`.
fn ties(directory: &Directory) -> Vec<String> {
    let name = |id| directory.person(id).map(|person| person.name.given()).unwrap_or_default();
    let tie = |stored: (_, _, &crate::person::guardianship::Link)| {
        format!("{} {} {:?}", name(stored.0), name(stored.1), stored.2.relationship)
    };
    let mut ties: Vec<_> = directory.visible_links().map(tie).collect();
    ties.sort();
    ties
}

fn links_unknown(plan: &Plan) -> Vec<u32> {
    plan.findings.iter().filter(|one| one.code == "link_unknown").map(|one| one.row).collect()
}

#[test]
fn a_delta_of_guardians_alone_finds_their_pupils_in_the_directory() {
    let mut directory = school();
    let delta = format!(
        "c1,{NOW},parent,Dee,Smith,dee.smith@example.com,p1\nc2,{NOW},guardian,Eve,Day,eve@example.com,\"p2,p9\"\n"
    );
    let plan = one_roster(&mut directory, DELTA, &delta);
    assert_eq!(ties(&directory), ["Ann Dee Parent", "Ben Eve Guardian"]);
    assert_eq!((plan.counts.contact.created, plan.counts.contact.changed), (1, 1));
    assert_eq!((plan.counts.link.created, plan.counts.link.unchanged), (1, 1));
    assert_eq!((plan.counts.pupil, plan.counts.contact.missing), (Count::default(), 0));
    // Only who is in neither.
    assert_eq!(links_unknown(&plan), [3]);
    assert!(one_roster(&mut directory, DELTA, &delta).changes.is_empty(), "the same again changes nobody");
}

#[test]
fn a_new_sibling_in_a_delta_gets_the_parent_whom_the_school_has() {
    let mut directory = school();
    let delta = format!("p3,{NOW},student,Cy,Smith,,\"c1,t1,c9\"\n");
    let plan = one_roster(&mut directory, DELTA, &delta);
    // The relationship stands with the parent, who is not in the file; a teacher is nobody's parent.
    assert_eq!(ties(&directory), ["Ann Dee Parent", "Cy Dee Unknown"]);
    assert_eq!(links_unknown(&plan), [2, 2]);
    assert_eq!(plan.counts.contact, Count::default());
    // What the office took away stays away.
    let ends = directory.visible_links().find(|(_, _, link)| link.relationship == Relationship::Unknown);
    let (pupil, contact, link) = ends.map(|(pupil, contact, link)| (pupil, contact, link.clone())).unwrap();
    let ended = crate::person::guardianship::Link { ended: true, ..link };
    directory.links.insert((pupil, contact), crate::person::made_up::stored(ended));
    assert!(one_roster(&mut directory, DELTA, &delta).changes.is_empty());
}

#[test]
fn a_whole_bundle_refers_to_nobody_who_is_not_in_it() {
    let mut directory = school();
    let whole = "p1,,,true,org1,student,Ann,Smith,,c1\np2,,,true,org1,student,Ben,Day,,\n\
                 c2,,,true,org1,guardian,Eve,Day,eve@example.com,\"p2,p9\"\n";
    let plan = one_roster(&mut directory, BULK, whole);
    assert_eq!(links_unknown(&plan), [2, 4]);
    assert_eq!((plan.counts.contact.missing, plan.counts.link.missing), (1, 1));
}

#[test]
fn school_data_sync_for_a_part_finds_pupils_in_the_directory_too() {
    let mut directory = Directory::default();
    let users = |rows: &str| format!("sourcedId,givenName,familyName,email\n{rows}");
    let whole = users("p1,Ann,Smith,\np2,Ben,Day,\nc1,Dee,Smith,dee@example.com\n");
    let roles = "userSourcedId,orgSourcedId,role\np1,o1,student\np2,o1,student\n";
    let related = |rows: &str| format!("userSourcedId,relationshipUserSourcedId,relationshipRole\n{rows}");
    let bundle = |users: &str, roles: &str, related: &str| {
        [("users.csv", users), ("roles.csv", roles), ("relationships.csv", related)]
            .map(|(name, text)| (name, text.to_owned()))
    };
    let mut taken = |files: [(&str, String); 3], scope: &Scope| {
        let files = files.each_ref().map(|(name, text)| (*name, text.as_str()));
        let plan = take(&mut directory, &files, scope);
        (ties(&directory), links_unknown(&plan), plan.counts)
    };
    taken(bundle(&whole, roles, &related("p1,c1,parent\n")), &Scope::Full);
    let part = bundle(
        &users("c2,Eve,Day,eve@example.com\np3,Cy,Smith,\n"),
        "userSourcedId,orgSourcedId,role\np3,o1,student\n",
        &related("p2,c2,guardian\nc1,p3,parent\np9,c2,guardian\np8,c8,guardian\n"),
    );
    let (ties, unknown, counts) = taken(part, &Scope::Partial);
    assert_eq!(ties, ["Ann Dee Parent", "Ben Eve Guardian", "Cy Dee Parent"]);
    assert_eq!(unknown, [4, 5]);
    assert_eq!((counts.pupil.created, counts.pupil.missing, counts.contact.created), (1, 0, 1));
}

#[test]
fn a_sheet_of_contacts_for_a_part_of_the_school_names_pupils_by_their_id() {
    let mut directory = tests::after("Ann,Smith,001,3,04/03/2018,,,,,,,,,\n");
    let rows = ",,001,,,Mother,Mary,Smith,C1,mary@example.com,,1,Y,\n,,002,,,Mother,Jo,Day,C2,,,1,Y,\n";
    let roll = tests::read(rows);
    let terms = |scope| super::plan::Terms { scope, ..tests::terms(tests::upload(2)) };
    let plan = plan(&roll, &directory, terms(&Scope::Partial));
    assert_eq!(tests::codes(&plan.findings), ["3  name_missing"]);
    tests::apply(&mut directory, &plan);
    assert_eq!(ties(&directory), ["Ann Mary Mother"]);
    assert_eq!(directory.visible_people().filter(|(_, person)| person.role == Role::Contact).count(), 1);
}
