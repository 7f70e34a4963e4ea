//! Bundles of which the school knows a part already, and bundles that hold more than the school.

use serde_json::json;

use crate::{
    cells::person,
    export::{self, archive, one_roster},
    families::{findings, taken},
    ingest::{count, people_and_links},
    sync::found,
    world::{World, text},
};

const USERS: &str = "sourcedId,status,dateLastModified,enabledUser,orgSourcedIds,role,givenName,familyName,email,agentSourcedIds\n";

/// A delta of these users: `id,org,role,given,family,email,agents`.
fn delta(rows: &[&str]) -> Vec<u8> {
    let row = |row: &&str| {
        let (id, rest) = row.split_once(',').expect("an id");
        let (org, rest) = rest.split_once(',').expect("a school");
        format!("{id},active,2026-11-20T08:15:30.000Z,true,{org},{rest}\n")
    };
    let users = format!("{USERS}{}", rows.iter().map(row).collect::<String>());
    archive(&[
        ("manifest.csv", b"propertyName,value\noneroster.version,1.1\nfile.users,delta\n"),
        ("users.csv", users.as_bytes()),
    ])
}

/// The ids, in the source's numbering, of the other ends of somebody's ties.
async fn tied(world: &World, source: &str) -> Vec<String> {
    let mut tied = Vec::new();
    for link in person(world, source).await["links"].as_array().expect("a list") {
        let path = format!("/people/{}", text(&link["contact_id"]));
        tied.push(text(&world.get("office", &path).await.expect(200)["source_id"]).to_owned());
    }
    tied.sort();
    tied
}

#[tokio::test]
async fn a_delta_ties_people_whom_the_school_has_to_those_it_brings() {
    let world = export::school().await;
    taken(&world, &one_roster(3, "")).await;
    // A father of a pupil who has not changed, and a sister whose mother has not.
    let file = delta(&[
        "C0101,o1,guardian,Greg,Family1,greg1@example.com,\"P0001,P0999\"",
        "P0102,o1,student,Ida,Family2,,C0002",
    ]);
    let upload = taken(&world, &file).await;
    assert_eq!(upload["counts"]["link"], count(2, 0, 0, 0), "{upload}");
    assert_eq!(upload["counts"]["contact"], count(1, 0, 0, 0), "{upload}");
    assert_eq!(upload["counts"]["pupil"], count(1, 0, 0, 0), "{upload}");
    assert_eq!(tied(&world, "P0001").await, ["C0001", "C0101"]);
    assert_eq!(tied(&world, "P0102").await, ["C0002"]);
    // Only who is in neither is found.
    assert!(findings(&upload).contains(&(2, "link_unknown")), "{upload}");
    // Once more changes nobody, and what the office takes away does not come back with it.
    let before = people_and_links(&world).await;
    taken(&world, &file).await;
    assert!(people_and_links(&world).await == before, "the same delta has changed somebody");
    let [pupil, father] = [person(&world, "P0001").await, person(&world, "C0101").await]
        .map(|person| text(&person["person_id"]).to_owned());
    world.delete("office", &format!("/people/{pupil}/contacts/{father}")).await.expect(204);
    taken(&world, &file).await;
    assert_eq!(tied(&world, "P0001").await, ["C0001"]);
}

#[tokio::test]
async fn of_several_schools_in_a_bundle_only_the_one_that_the_settings_name_comes_in() {
    let world = export::school().await;
    let orgs = "sourcedId,status,dateLastModified,name,type,identifier,parentSourcedId\n\
                o1,,,Oakfield,school,100123,\no2,,,Elmfield,school,100124,\n";
    let users = "P0000,,,true,o1,student,Ada,Family0,,C0000\nP0001,,,true,o2,student,Bea,Family1,,\"C0000,C0001\"\n\
                 C0000,,,true,o2,parent,Grace,Family0,grace0@example.com,\nC0001,,,true,o1,parent,Greg,Family1,greg1@example.com,\n\
                 T0001,,,true,o2,teacher,Tess,Teacher,tess@example.com,\n";
    let users = format!("{USERS}{users}");
    let file = archive(&[
        ("manifest.csv", b"propertyName,value\noneroster.version,1.1\nfile.users,bulk\nfile.orgs,bulk\n"),
        ("orgs.csv", orgs.as_bytes()),
        ("users.csv", users.as_bytes()),
    ]);
    let refused = async |code: &str| {
        let upload = world.upload(&file).await;
        assert_eq!(
            (text(&upload["status"]), found(&upload)),
            ("refused", vec![format!("0  {code}")]),
            "{upload}"
        );
        assert!(text(&upload["findings"][0]["detail"]).contains("org_id"), "{upload}");
        assert!(people_and_links(&world).await.is_empty());
    };
    refused("several_schools").await;
    let own = |id: &str| json!({"org_id": id});
    world.put("office", "/settings", &own("100999")).await.expect(200);
    refused("another_school").await;
    world.put("office", "/settings", &own("100123")).await.expect(200);
    let upload = taken(&world, &file).await;
    assert_eq!(upload["counts"]["pupil"], count(1, 0, 0, 0), "{upload}");
    assert_eq!(upload["counts"]["contact"], count(1, 0, 0, 0), "{upload}");
    assert_eq!(upload["counts"]["staff"], count(0, 0, 0, 0), "{upload}");
    assert_eq!(tied(&world, "P0000").await, ["C0000"]);
    assert!(found(&upload).contains(&"3 users.csv orgSourcedIds other_school".to_owned()), "{upload}");
    for name in ["Bea", "Greg", "Tess"] {
        assert!(!upload.to_string().contains(name), "{upload}");
        assert!(world.search(&json!({"given_name": name})).await.is_empty(), "{name} is another school's");
    }
}
