//! Staff who are somebody's parents, or at two schools: what they see and do at work.

use std::collections::BTreeSet;

use local::eventually;
use serde_json::{Value, json};

use crate::{
    edges_parents::signing_in,
    families::{seen, sign_in, taken, verdict},
    inbox::{is_not_there, post, sent, subjects},
    messages::send,
    parents::{address, but, claim, link, looked_at, mother, person, place, session},
    sheet::{EMAIL, MOBILE, RELATIONSHIP, Row, Sheet},
    world::{DEADLINE, World, new_school, text},
};

const CLASS: usize = 4;

/// A father who works in the office of his child's school, and whom the office keeps away from the child.
struct Apart {
    world: World,
    /// His roles, as another person than whoever has the same ones otherwise.
    him: &'static str,
    pupil: String,
    mother: String,
    father: String,
    /// The tie between him and the pupil.
    link: String,
}

impl Apart {
    /// Family `n` with a father, whose roles give him the address `user`, and these rows.
    async fn new(n: usize, him: &'static str, user: &str, rows: Vec<Row>) -> Self {
        let world = World::named(&format!("School {}.", address())).await;
        let father = Row::family(n)
            .with(place::CONTACT_GIVEN, "Cy")
            .with(place::CONTACT_ID, "C9")
            .with(RELATIONSHIP, "Father")
            .with(EMAIL, &format!("{user}.{}@staff.example.com", world.school))
            .with(MOBILE, "07700 900551")
            .with(CLASS, "3Z");
        let rows = [vec![Row::family(n).with(CLASS, "3Z"), father], rows].concat();
        let upload = world.upload(&Sheet(rows).bytes()).await;
        assert_eq!(upload["status"], "done", "{upload}");
        let pupil = person(&world, &format!("P{n:04}"), "pupil").await;
        let mother = person(&world, &format!("C{n:04}"), "contact").await;
        let father = person(&world, "C9", "contact").await;
        let link = format!("/people/{pupil}/contacts/{father}");
        Self { world, him, pupil, mother, father, link }
    }

    async fn restrict(&self, restricted: bool) {
        self.world.put("office", &self.link, &json!({"restricted": restricted})).await.expect(200);
    }

    /// Whether a part of an answer names anybody of the family.
    fn names(&self, told: &Value) -> bool {
        let told = told.to_string();
        [&self.pupil, &self.mother, &self.father].iter().any(|id| told.contains(id.as_str()))
    }
}

/// The ids of the claims of a status, a page of one at a time.
async fn claims(world: &World, who: &str, status: &str) -> BTreeSet<String> {
    let (mut seen, mut cursor) = (BTreeSet::new(), String::new());
    loop {
        let path = format!("/verifications?status={status}&limit=1{cursor}");
        let page = world.get(who, &path).await.expect(200);
        let items = page["items"].as_array().expect("a list");
        seen.extend(items.iter().map(|item| text(&item["verification_id"]).to_owned()));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return seen,
        }
    }
}

#[tokio::test]
async fn edge_case_25_a_restricted_parent_decides_no_claim_about_the_child() {
    let other = Row::family(501)
        .with(place::GIVEN, "Adah")
        .with(place::PUPIL_ID, "P9501")
        .with(place::CONTACT_GIVEN, "Vera")
        .with(place::CONTACT_ID, "C9501")
        .with(EMAIL, "vera501@example.com")
        .with(MOBILE, "07700 900552");
    let school = Apart::new(501, "office#2", "office2", vec![Row::family(502), other]).await;
    let (world, him) = (&school.world, school.him);
    let wait = async |body: &Value| {
        let verification = claim(world, body).await;
        assert_eq!(looked_at(world, &verification).await, "review");
        verification
    };
    let swapped = |n: usize| {
        let claim = but(&mother(world, n), "/parent/given_name", &format!("Family{n}"));
        but(&claim, "/parent/family_name", "Grace")
    };
    let (hers, others) = (wait(&swapped(501)).await, wait(&swapped(502)).await);
    // A claim that names his child, and whose only candidate is another child's mother.
    let vera = but(&mother(world, 501), "/parent/given_name", "Vera");
    let vera = but(&but(&vera, "/parent/email", "vera501@example.com"), "/parent/mobile", "07700 900552");
    let named = wait(&vera).await;
    let of_named = world.list("office", "/verifications").await;
    let of_named = of_named.iter().find(|item| item["verification_id"] == *named).expect("it waits");
    assert!(!school.names(&of_named["candidates"]) && of_named["candidates"] != json!([]), "{of_named}");
    // While nothing keeps him away, he sees them all.
    let all = BTreeSet::from([hers.clone(), others.clone(), named.clone()]);
    assert_eq!(claims(world, him, "review").await, all);

    school.restrict(true).await;
    // His own attempt, and that the school is told of it.
    let his = but(&mother(world, 501), "/parent/given_name", "Cy");
    let his = but(&his, "/parent/mobile", "07700 900551");
    let his = claim(world, &his).await;
    assert_eq!(looked_at(world, &his).await, "no");
    assert_eq!(claims(world, "office", "alert").await, BTreeSet::from([his.clone()]));
    assert_eq!(claims(world, "office", "review").await, all);
    assert_eq!(claims(world, him, "alert").await, BTreeSet::new());
    assert_eq!(claims(world, him, "review").await, BTreeSet::from([others.clone()]));
    for (verification, decision) in
        [(&hers, "refuse"), (&hers, "approve"), (&named, "approve"), (&named, "refuse"), (&his, "refuse")]
    {
        let path = format!("/verifications/{verification}/decision");
        world.post(him, &path, &json!({"decision": decision})).await.problem(404, "not_found");
    }
    let decide = async |who: &str, verification: &str| {
        let path = format!("/verifications/{verification}/decision");
        world.post(who, &path, &json!({"decision": "refuse"})).await.expect(200)
    };
    decide(him, &others).await;
    decide("office", &named).await;
    // What was decided about them he does not find either.
    assert_eq!(claims(world, him, "refused").await, BTreeSet::from([others]));
    // Whatever else stands in the path of what is refused is not written down unless it is an id.
    let typed = format!("/people/{}/contacts/Grace-07700900501", school.pupil);
    world.put(him, &typed, &json!({"restricted": false})).await.problem(404, "not_found");
    let entries = world.list("dpo", "/audit").await;
    let refused: Vec<_> = entries.iter().filter(|entry| entry["refused"] == true).collect();
    assert_eq!(refused.len(), 6);
    assert!(!json!(entries).to_string().contains("Grace"), "{entries:?}");
    assert!(refused.iter().all(|entry| json!(entry["subjects"]).to_string().contains(&school.pupil)));
    school.restrict(false).await;
    assert_eq!(claims(world, him, "review").await, BTreeSet::from([hers]));
}

#[tokio::test]
async fn edge_case_25_a_restricted_parent_finds_nothing_of_the_family_at_work() {
    // The mother has a child with somebody else, of whom nothing keeps him away.
    let bea = || Row::family(510).with(place::GIVEN, "Bea").with(place::PUPIL_ID, "P9510");
    let others = (511..523).map(Row::family).chain([bea()]).collect();
    let school = Apart::new(510, "office#2,sender#2,dpo#2", "dpo2-office2-sender2", others).await;
    let (world, him) = (&school.world, school.him);
    let message = send(world, &crate::messages::draft(world, "service", &["email"])).await;
    world.drain(&message).await;
    let recipients = format!("/messages/{message}/recipients");
    assert!(school.names(&json!(world.list(him, &recipients).await)));
    world.get("office", &format!("/people/{}", school.pupil)).await.expect(200);
    let hers = session(world, 510, 0).await;
    assert_eq!(seen(world, &hers).await, ["Ada", "Bea"]);
    let account = text(&world.get(&hers, "/v1/me").await.expect(200)["account_id"]).to_owned();
    // A file in which the mother and another child have other ids: somebody has to say that they are the same.
    let rows =
        [Row::family(510).with(place::CONTACT_ID, "N0510"), Row::family(511).with(place::PUPIL_ID, "N0511")];
    let file = Sheet(
        rows.into_iter()
            .chain((512..523).map(Row::family))
            .chain([bea().with(place::CONTACT_ID, "N0510")])
            .collect(),
    );
    school.restrict(true).await;
    let upload = world.upload(&file.bytes()).await;
    assert_eq!(upload["status"], "review", "{upload}");
    assert!(school.names(&upload["proposals"]), "{upload}");

    // Whom a message went to, whom it would go to, and whom he may write to by name.
    let all = world.list("sender", &recipients).await;
    let seen = world.list(him, &recipients).await;
    let left_out = [&school.mother, &school.father];
    assert!(left_out.iter().all(|id| all.iter().any(|one| one["person_id"] == ***id)));
    assert!(!school.names(&json!(seen)) && seen.len() == all.len() - 2, "{seen:?}");
    let mut draft = crate::messages::draft(world, "service", &["email"]);
    let sample = async |who: &str, draft: &Value| {
        world.post(who, "/messages/preview", draft).await.expect(200)["sample"].clone()
    };
    // Their class has nobody else in it: there is nothing to sample for him.
    draft["audience"] = json!({"classes": ["3Z"]});
    assert!(sample("sender", &draft).await.is_object());
    assert!(sample(him, &draft).await.is_null());
    draft["audience"] = json!({"classes": ["3Z", "3A"]});
    assert!(sample(him, &draft).await.is_object());
    for person in [&school.pupil, &school.mother] {
        draft["audience"] = json!({"people": [person]});
        for path in ["/messages", "/messages/preview"] {
            world.post(him, path, &draft).await.problem(404, "not_found");
        }
    }

    // What a file would do to them.
    for path in ["/uploads".to_owned(), format!("/uploads/{}", text(&upload["upload_id"]))] {
        let told = world.get(him, &path).await.expect(200);
        assert!(!school.names(&told) && told.to_string().contains("proposals"), "{told}");
        assert!(school.names(&world.get("office", &path).await.expect(200)));
    }
    let approval = format!("/uploads/{}/approval", text(&upload["upload_id"]));
    world.post(him, &approval, &json!({"reject": [school.mother]})).await.problem(404, "not_found");

    // What of theirs is suppressed.
    let hers = |suppressed: bool| json!({"email": "grace510@example.com", "suppressed": suppressed});
    world.put("office", "/suppressions", &hers(true)).await.expect(200);
    assert_eq!(world.list("office", "/suppressions").await.len(), 1);
    assert_eq!(world.list(him, "/suppressions").await, Vec::<Value>::new());
    // He asks as if by chance, and hears what he would of nobody's address; nothing comes of it.
    for suppressed in [false, true] {
        let told = world.put(him, "/suppressions", &hers(suppressed)).await.expect(200);
        let of_nobody = json!({"email": "nobody510@example.com", "suppressed": suppressed});
        let of_nobody = world.put(him, "/suppressions", &of_nobody).await.expect(200);
        assert_eq!(told["suppressed_on"], of_nobody["suppressed_on"]);
        assert_eq!((&told["people"], &of_nobody["people"]), (&json!([]), &json!([])));
        assert_eq!(world.list("office", "/suppressions").await.len(), 1);
    }

    // Who saw them.
    for person in [&school.pupil, &school.mother, &school.father] {
        let path = format!("/audit?person_id={person}");
        world.get(him, &path).await.problem(404, "not_found");
        assert!(!world.list("dpo", &path).await.is_empty());
    }
    let (all, seen) = (world.list("dpo", "/audit").await, world.list(him, "/audit").await);
    assert!(school.names(&json!(all)) && !school.names(&json!(seen)), "{seen:?}");
    assert!(json!(all).to_string().contains(&account) && !json!(seen).to_string().contains(&account));
    // An entry about many is left, without them; one about them alone is not.
    let of = |entries: &[Value], action: &str| {
        let of = entries.iter().filter(|entry| text(&entry["action"]).starts_with(action));
        of.map(|entry| entry["subjects"].as_array().map_or(0, Vec::len)).max()
    };
    let listed = "GET /v1/schools/{school_id}/messages/{message_id}/recipients";
    assert_eq!((of(&all, listed), of(&seen, listed)), (Some(14), Some(12)));
    let looked_at = "GET /v1/schools/{school_id}/people/{person_id}";
    assert_eq!((of(&all, looked_at), of(&seen, looked_at)), (Some(3), None));
    assert!(seen.iter().all(|entry| entry["refused"] == false), "{seen:?}");

    school.restrict(false).await;
    assert!(school.names(&json!(world.list(him, &recipients).await)));
    world.get(him, &format!("/audit?person_id={}", school.pupil)).await.expect(200);
}

/// Edge case 25 costs nothing where whoever asks is nobody's contact: that they are none is looked up once, and again when the
/// directory has changed.
#[tokio::test]
async fn edge_case_25_costs_who_is_nobodys_contact_nothing() {
    let school = Apart::new(530, "office#2", "office2", vec![]).await;
    let world = &school.world;
    assert_eq!(verdict(world, &but(&mother(world, 530), "/parent/given_name", "Gracie")).await, "review");
    let cheap = eventually("a list costs what it shows", DEADLINE, async || {
        let mark = world.now().await;
        assert_eq!(world.list("office", "/verifications").await.len(), 1);
        let calls = world.calls_of("staff-api", mark).await;
        let queries = calls.iter().filter(|call| call.action == "Query").count();
        let reads =
            calls.iter().filter(|call| call.service == "dynamodb" && call.action.contains("Get")).count();
        assert!((1..=2).contains(&queries), "{calls:?}");
        // The reviews; and the school's record and, where it is not known yet, its key.
        Ok((queries == 1 && reads <= 2).then_some(()))
    });
    cheap.await.expect("it does");
}

/// A teacher whose child is at the school: two records of one name, address and number.
async fn teacher(n: usize) -> (World, String) {
    let mut described = new_school();
    described["name"] = json!(format!("School {}.", address()));
    described["agreement"]["fields"]["staff"] = json!(["given_name", "family_name", "email", "mobile"]);
    let world = World::with(&described).await;
    // The address that her token says; she is the second person in the office.
    let work = format!("office2.{}@staff.example.com", world.school);
    taken(&world, &Sheet(vec![Row::family(n).with(EMAIL, &work), Row::family(n + 1)]).bytes()).await;
    let staff = json!({"role": "staff", "given_name": "Grace", "family_name": format!("Family{n}"), "email": work, "mobile": format!("07700 900{n}")});
    let staff = world.post("office", "/people", &staff).await.expect(201);
    (world, text(&staff["person_id"]).to_owned())
}

/// A message to a role, found in the inbox and sent by e-mail.
fn to(world: &World, role: &str, subject: &str) -> Value {
    let mut draft = post(world, subject, &json!({"roles": [role]}));
    draft["channels"] = json!(["email"]);
    draft
}

#[tokio::test]
async fn edge_case_33_a_teacher_is_a_parent_and_a_colleague_and_neither_by_the_other() {
    let (world, staff) = teacher(548).await;
    let claim =
        but(&mother(&world, 548), "/parent/email", &format!("office2.{}@staff.example.com", world.school));
    let (hers, _) = sign_in(&world, &claim).await;
    assert_eq!(seen(&world, &hers).await, ["Ada"]);
    // Each persona opens its own doors alone.
    let pupil = person(&world, "P0548", "pupil").await;
    let refused = world.get(&hers, &format!("/v1/schools/{}/people/{pupil}", world.school)).await;
    assert_eq!(refused.status, 401, "the gateway knows no such token");
    let at_work = format!("Bearer {}", world.token("office#2").await);
    world.get(&at_work, "/v1/me/children").await.problem(401, "unauthorised");
    // At work she does her work, about her own child too: nothing keeps her away.
    world.get("office#2", &format!("/people/{pupil}")).await.expect(200);
    // Messages by persona: the staff's is no parent's post, and the parents' is.
    let memo = sent(&world, &to(&world, "staff", "Memo")).await;
    sent(&world, &to(&world, "contact", "Letter")).await;
    assert_eq!(subjects(&world, &hers).await, ["Letter"]);
    is_not_there(&world, &hers, &memo).await;
    let told = world.list("sender", &format!("/messages/{memo}/recipients")).await;
    assert_eq!(told.iter().map(|one| text(&one["person_id"])).collect::<Vec<_>>(), [staff.as_str()]);
    // Kept away from the child as a parent, she is as a colleague.
    let contact = person(&world, "C0548", "contact").await;
    world.put("office", &format!("/people/{pupil}/contacts/{contact}"), &link(true, "yes")).await.expect(200);
    assert_eq!(seen(&world, &hers).await, [""; 0]);
    world.get("office#2", &format!("/people/{pupil}")).await.problem(404, "not_found");
    let found =
        world.post("office#2", "/people/search", &json!({"family_name": "Family548", "role": "pupil"})).await;
    assert_eq!(found.expect(200)["items"], json!([]));
}

#[tokio::test]
async fn edge_case_35_who_leaves_the_staff_stays_a_parent() {
    let (world, staff) = teacher(555).await;
    let claim = but(&mother(&world, 555), "/parent/email", "unknown555@example.com");
    let (hers, _) = sign_in(&world, &claim).await;
    world.delete("office", &format!("/people/{staff}")).await.expect(204);
    world.get("office", &format!("/people/{staff}")).await.problem(404, "not_found");
    world.post("sender", "/messages", &to(&world, "staff", "Memo")).await.problem(422, "no_recipients");
    sent(&world, &to(&world, "contact", "Letter")).await;
    assert_eq!(
        (seen(&world, &hers).await, subjects(&world, &hers).await),
        (vec!["Ada".to_owned()], vec!["Letter".to_owned()])
    );
    let (again, to) = sign_in(&world, &claim).await;
    assert_eq!((to.as_str(), seen(&world, &again).await), ("+447700900555", vec!["Ada".to_owned()]));
    assert_eq!(signing_in(&world, &json!({"mobile": "07700 900555"})).await, "proved_by_code");
}

#[tokio::test]
async fn edge_case_36_one_token_acts_at_two_schools_by_the_roles_at_each() {
    let (one, two, third) = (World::new().await, World::new().await, World::new().await);
    let token = async |claim: &str| {
        let token = one.stack.token(&["approver"], Some(claim)).await.expect("a token");
        format!("Bearer {token}")
    };
    let who = token(&format!("{}:office {}:sender+dpo", one.school, two.school)).await;
    let at = |school: &World, path: &str| format!("/v1/schools/{}{path}", school.school);
    let person = json!({"role": "contact", "given_name": "Grace", "family_name": "Hopper"});
    let draft = json!({"purpose": "service", "channels": ["sms"], "body": "Boots.", "audience": {}});
    let preview = async |school: &World| one.post(&who, &at(school, "/messages/preview"), &draft).await;
    // The office of one, and nothing else there, whatever the groups say.
    one.post(&who, &at(&one, "/people"), &person).await.expect(201);
    assert_eq!(
        one.get(&who, &at(&one, "/people")).await.expect(200)["items"].as_array().map(Vec::len),
        Some(1)
    );
    preview(&one).await.problem(403, "forbidden");
    one.get(&who, &at(&one, "/audit")).await.problem(403, "forbidden");
    // A sender and data protection lead of the other.
    one.post(&who, &at(&two, "/people"), &person).await.problem(403, "forbidden");
    assert_eq!(one.get(&who, &at(&two, "/people")).await.expect(200)["items"], json!([]));
    preview(&two).await.expect(200);
    one.get(&who, &at(&two, "/audit")).await.expect(200);
    // Nobody at a third; and no operator.
    for path in ["", "/people", "/audit"] {
        one.get(&who, &at(&third, path)).await.problem(404, "not_found");
    }
    preview(&third).await.problem(404, "not_found");
    one.post(&who, "/v1/schools", &new_school()).await.problem(403, "forbidden");

    // Each school has its own part on record, and nothing of the other.
    let actions = async |school: &World| {
        let entries = school.list("dpo", "/audit").await;
        assert!(!json!(entries).to_string().contains(if school.school == one.school {
            &two.school
        } else {
            &one.school
        }));
        entries.iter().map(|entry| text(&entry["action"]).to_owned()).collect::<BTreeSet<_>>()
    };
    assert!(actions(&one).await.contains("POST /v1/schools/{school_id}/people"));
    assert!(!actions(&two).await.contains("POST /v1/schools/{school_id}/people"));

    // The same roles at both, by the groups; and an entry that cannot be read gives nothing.
    let both = token(&format!("{} {}", one.school, two.school)).await;
    for school in [&one, &two] {
        one.post(&both, &at(school, "/messages/preview"), &draft).await.expect(200);
        one.get(&both, &at(school, "/people")).await.problem(403, "forbidden");
    }
    let mixed = token(&format!("{}:office+operator {}:office", one.school, two.school)).await;
    one.get(&mixed, &at(&one, "/people")).await.problem(404, "not_found");
    one.get(&mixed, &at(&two, "/people")).await.expect(200);
    one.post(&mixed, "/v1/schools", &new_school()).await.problem(403, "forbidden");
}
