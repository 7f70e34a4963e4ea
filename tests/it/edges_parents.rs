//! The edge cases of separated parents, age and contact data, from where a parent stands: claiming, signing in, looking, being told.

use jiff::{Timestamp, ToSpan, civil::Date};
use serde_json::{Value, json};

use crate::{
    delivery::{SES, held, try_again},
    families::{approved, child, contact, preview, seen, sign_in, taken, verdict},
    inbox::{acknowledge, inbox, is_not_there, post, sent, subjects},
    messages::{addresses, counts, draft, excluded, only, send, status},
    parents::{
        address, but, children, claim, code, codes, enter, link, looked_at, mother, person, place, refused,
        school,
    },
    people::ties,
    sessions::{self, told},
    sheet::{COURT_ORDER, EMAIL, MOBILE, RELATIONSHIP, RESPONSIBILITY, Row, Sheet, YEAR},
    world::{World, text},
};

const BORN: usize = 5;

/// Another contact of family `n`'s child, with an e-mail address of their own and no mobile.
fn beside(n: usize, given: &str, relationship: &str) -> Row {
    contact(Row::family(n), given, &format!("C{n}{given}"))
        .with(RELATIONSHIP, relationship)
        .with(EMAIL, &email(n, given))
        .with(MOBILE, "")
}

fn email(n: usize, given: &str) -> String {
    format!("{}{n}@example.com", given.to_lowercase())
}

/// What a contact of [`beside`] claims.
fn claim_of(world: &World, n: usize, given: &str) -> Value {
    let claim = but(&mother(world, n), "/parent/given_name", given);
    but(&but(&claim, "/parent/email", &email(n, given)), "/parent/mobile", "07700 900560")
}

/// What asking to sign in again by a contact point comes to.
pub async fn signing_in(world: &World, body: &Value) -> String {
    let verification = sessions::sign_in(world, "nobody", body).await;
    let verdict = looked_at(world, &verification).await;
    if verdict != "proved_by_code" {
        refused(enter(world, &verification, "00000000").await);
    }
    verdict
}

/// Where the codes of a school went.
async fn codes_to(world: &World) -> Vec<String> {
    codes(world).await.into_iter().map(|sent| sent.to).collect()
}

async fn decide(world: &World, verification: &str, decision: &str) -> crate::world::Answer {
    let path = format!("/verifications/{verification}/decision");
    world.post("office", &path, &json!({"decision": decision})).await
}

/// The claim that waits for the office.
async fn waiting(world: &World, verification: &str) -> Value {
    let all = world.list("office", "/verifications").await;
    all.into_iter().find(|one| one["verification_id"] == verification).expect("it waits")
}

/// Nothing of a child is within a session's reach: neither the child, nor what was written, nor what could be asked for.
async fn reaches_nothing(world: &World, who: &str, pupil: &str, message: &str) {
    assert_eq!(seen(world, who).await, [""; 0]);
    world.get(who, &format!("/v1/me/children/{pupil}")).await.problem(404, "not_found");
    assert_eq!(subjects(world, who).await, [""; 0]);
    is_not_there(world, who, message).await;
    acknowledge(world, who, message).await.problem(404, "not_found");
    let asked = json!({"kind": "access", "person_id": pupil});
    let asked = world.post(who, "/v1/me/subject-requests", &asked).await;
    assert_eq!((asked.status, asked.faults()), (422, vec!["/person_id not_yours".to_owned()]));
    let proposed = json!({"person_id": pupil, "field": "given_name", "proposed": "Adam"});
    let proposed = world.post(who, "/v1/me/corrections", &proposed).await;
    assert_eq!((proposed.status, proposed.faults()), (422, vec!["/person_id not_yours".to_owned()]));
}

#[tokio::test]
async fn edge_case_22_an_order_ends_everything_at_once() {
    let world = school(vec![Row::family(531), beside(531, "Cy", "Father")]).await;
    // On its way before the order: both are written to.
    let on_its_way = held(&world, &draft(&world, "emergency", &["email"]), SES, 1).await;
    let (hers, _) = sign_in(&world, &mother(&world, 531)).await;
    let (his, _) = sign_in(&world, &claim_of(&world, 531, "Cy")).await;
    let letter = sent(&world, &post(&world, "To both", &json!({}))).await;
    let device = json!({"platform": "android", "token": format!("{:0>64}", &world.school[4..])});
    world.post(&his, "/v1/me/devices", &device).await.expect(201);
    for who in [&hers, &his] {
        assert_eq!(
            (seen(&world, who).await, subjects(&world, who).await),
            (vec!["Ada".to_owned()], vec!["To both".to_owned(), "Trip on Friday".to_owned()])
        );
    }
    let (pupil, father) = (person(&world, "P0531", "pupil").await, person(&world, "C531Cy", "contact").await);
    world.put("office", &format!("/people/{pupil}/contacts/{father}"), &link(true, "yes")).await.expect(200);

    // With the next request, and whatever the responsibility.
    reaches_nothing(&world, &his, &pupil, &letter).await;
    assert_eq!((seen(&world, &hers).await, inbox(&world, &hers).await.len()), (vec!["Ada".to_owned()], 2));
    // What was on its way is looked at again when it is sent.
    let before = world.outbox().await.len();
    assert!(try_again(&world, &on_its_way).await);
    assert_eq!(addresses(&world.outbox().await[before..]), ["grace531@example.com"]);
    assert_eq!(
        counts(&status(&world, &on_its_way).await),
        [("sent".into(), 1), ("stopped".into(), 1)].into()
    );
    for purpose in ["emergency", "service", "attendance"] {
        let told = preview(&world, &draft(&world, purpose, &["email", "app"])).await;
        assert_eq!((&told["recipients"], excluded(&told)), (&json!(1), only("restricted", 1)), "{purpose}");
    }
    // Neither the facts nor the contact point that was once proved get him in; she is told nothing of it.
    let seen_before = codes(&world).await.len();
    let again = claim(&world, &claim_of(&world, 531, "Cy")).await;
    assert_eq!(looked_at(&world, &again).await, "no");
    told(&world, &again, "your data keeps away").await;
    assert_eq!(signing_in(&world, &json!({"email": email(531, "Cy")})).await, "no");
    assert_eq!(codes(&world).await.len(), seen_before);
}

#[tokio::test]
async fn edge_case_23_no_later_file_lifts_an_order() {
    let sheet = Sheet(vec![Row::family(532), beside(532, "Cy", "Father"), Row::family(533)]);
    let world = school(sheet.0.clone()).await;
    let (his, _) = sign_in(&world, &claim_of(&world, 532, "Cy")).await;
    let letter = sent(&world, &post(&world, "To both", &json!({}))).await;
    let (pupil, father) = (person(&world, "P0532", "pupil").await, person(&world, "C532Cy", "contact").await);
    world.put("office", &format!("/people/{pupil}/contacts/{father}"), &link(true, "no")).await.expect(200);
    reaches_nothing(&world, &his, &pupil, &letter).await;
    // The system says yes, says no order, first in line; and, in one file, forgets him.
    for (responsibility, order, named) in
        [("Y", "", true), ("Y", "N", true), ("", "", false), ("Y", "N", true)]
    {
        let mut rows = sheet.0.clone();
        rows[1] = rows[1].clone().with(RESPONSIBILITY, responsibility).with(COURT_ORDER, order);
        rows[2] = rows[2].clone().with(YEAR, if named { "4" } else { "5" });
        if !named {
            rows.remove(1);
        }
        let upload = world.upload(&Sheet(rows).bytes()).await;
        if upload["status"] == "review" {
            approved(&world, &upload, &json!({})).await;
        }
        assert!(ties(&world, &pupil).await.contains(&(father.clone(), true)), "{upload}");
        let is_told = json!(upload["findings"]).to_string().contains("restriction_kept");
        assert_eq!(is_told, named, "{upload}");
        reaches_nothing(&world, &his, &pupil, &letter).await;
        assert_eq!(verdict(&world, &claim_of(&world, 532, "Cy")).await, "no");
    }
    // The office alone lifts it.
    world.put("office", &format!("/people/{pupil}/contacts/{father}"), &link(false, "yes")).await.expect(200);
    assert_eq!(
        (seen(&world, &his).await, subjects(&world, &his).await),
        (vec!["Ada".to_owned()], vec!["To both".to_owned()])
    );
}

#[tokio::test]
async fn edge_case_27_the_other_parents_address_gets_no_code_and_proves_nothing() {
    let world = school(vec![Row::family(534), beside(534, "Cy", "Father")]).await;
    // She types his address beside her own number: the code goes to hers.
    let his_address = but(&mother(&world, 534), "/parent/email", &email(534, "Cy"));
    let (hers, to) = sign_in(&world, &his_address).await;
    assert_eq!((to.as_str(), seen(&world, &hers).await), ("+447700900534", vec!["Ada".to_owned()]));
    // Beside a number that is nobody's, there is none of hers to send it to.
    let nothing_of_hers = but(&his_address, "/parent/mobile", "07700 900560");
    let verification = claim(&world, &nothing_of_hers).await;
    assert_eq!(looked_at(&world, &verification).await, "no");
    refused(enter(&world, &verification, "00000000").await);
    // His name and her number: the code would go to him, and her number is not his.
    assert_ne!(
        verdict(&world, &but(&mother(&world, 534), "/parent/given_name", "Cy")).await,
        "proved_by_code"
    );
    // Nor does his address sign her in, before he has proved it and after: then the code is his.
    assert_eq!(signing_in(&world, &json!({"email": email(534, "Cy")})).await, "no");
    assert_eq!(codes_to(&world).await, ["+447700900534"]);
    let (_, to) = sign_in(&world, &claim_of(&world, 534, "Cy")).await;
    assert_eq!(to, email(534, "Cy"));
    assert_eq!(signing_in(&world, &json!({"email": email(534, "Cy")})).await, "proved_by_code");
    let (_, to, _) = code(&world, 3).await;
    assert_eq!(to, email(534, "Cy"));
    // Nothing that she sees tells of him.
    let view = format!("{:?}{}", children(&world, &hers).await, world.get(&hers, "/v1/me").await.expect(200));
    assert!(!view.contains("Cy") && !view.contains(&email(534, "Cy")), "{view}");
}

#[tokio::test]
async fn edge_case_28_an_emergency_contact_hears_of_emergencies_and_has_no_app() {
    let grandmother = beside(535, "Nan", "Grandmother").with(RESPONSIBILITY, "N").with(place::PRIORITY, "3");
    let world = school(vec![Row::family(535), grandmother]).await;
    let (pupil, nan) = (person(&world, "P0535", "pupil").await, person(&world, "C535Nan", "contact").await);
    let tie = format!("/people/{pupil}/contacts/{nan}");
    let emergency = |responsibility: &str| json!({"relationship": "grandparent", "parental_responsibility": responsibility, "priority": 3, "emergency_contact": true});
    world.put("office", &tie, &emergency("no")).await.expect(200);
    // No account, not even by the office's approval; the school is told that somebody tried.
    let verification = claim(&world, &claim_of(&world, 535, "Nan")).await;
    assert_eq!(looked_at(&world, &verification).await, "no");
    refused(enter(&world, &verification, "00000000").await);
    decide(&world, &verification, "approve").await.problem(409, "conflict");
    assert_eq!(codes(&world).await.len(), 0);
    // Emergencies, and nothing else.
    for purpose in ["service", "attendance", "consent"] {
        let told = preview(&world, &draft(&world, purpose, &["email"])).await;
        assert_eq!(
            (&told["recipients"], excluded(&told)),
            (&json!(1), only("no_responsibility", 1)),
            "{purpose}"
        );
    }
    let told = preview(&world, &draft(&world, "emergency", &["email"])).await;
    assert_eq!((&told["recipients"], excluded(&told)), (&json!(2), [].into()));
    let message = send(&world, &draft(&world, "emergency", &["email"])).await;
    world.drain(&message).await;
    assert_eq!(addresses(&world.outbox().await), ["grace535@example.com", email(535, "Nan").as_str()]);
    // Whoever had an account while the school called them responsible has none left.
    world.put("office", &tie, &emergency("yes")).await.expect(200);
    let (hers, _) = sign_in(&world, &claim_of(&world, 535, "Nan")).await;
    let letter = sent(&world, &post(&world, "Report", &json!({}))).await;
    assert_eq!(
        (seen(&world, &hers).await, subjects(&world, &hers).await),
        (vec!["Ada".to_owned()], vec!["Report".to_owned(), "Trip on Friday".to_owned()])
    );
    world.put("office", &tie, &emergency("no")).await.expect(200);
    reaches_nothing(&world, &hers, &pupil, &letter).await;
    assert_eq!(signing_in(&world, &json!({"email": email(535, "Nan")})).await, "no");
}

#[tokio::test]
async fn edge_case_29_unknown_responsibility_waits_for_the_school() {
    let world = school(vec![Row::family(536).with(RESPONSIBILITY, "").with(place::PRIORITY, "2")]).await;
    let (pupil, contact) = (person(&world, "P0536", "pupil").await, person(&world, "C0536", "contact").await);
    let verification = claim(&world, &mother(&world, 536)).await;
    assert_eq!(looked_at(&world, &verification).await, "review");
    assert!(
        json!(waiting(&world, &verification).await["evidence"])
            .to_string()
            .contains("responsibility_unknown")
    );
    // How many there are of whom nobody has said it shows before a message goes to the app.
    let told = preview(&world, &draft(&world, "service", &["app"])).await;
    assert_eq!(excluded(&told), only("not_enabled", 1));
    // The office decides what she is to the child; the word "approve" alone makes nobody responsible.
    decide(&world, &verification, "approve").await.problem(409, "conflict");
    assert_eq!(codes(&world).await.len(), 0);
    world
        .put("office", &format!("/people/{pupil}/contacts/{contact}"), &link(false, "yes"))
        .await
        .expect(200);
    decide(&world, &verification, "approve").await.expect(200);
    let (_, to, right) = code(&world, 1).await;
    assert_eq!(to, "+447700900536");
    let entered = enter(&world, &verification, &right).await.expect(201);
    let hers = format!("Bearer {}", text(&entered["session_token"]));
    assert_eq!(seen(&world, &hers).await, ["Ada"]);
    assert_eq!(preview(&world, &draft(&world, "service", &["app"])).await["recipients"], 1);
    // No file that says nothing takes it away again; one word of the office does.
    taken(
        &world,
        &Sheet(vec![Row::family(536).with(RESPONSIBILITY, "").with(place::PRIORITY, "2"), Row::family(537)])
            .bytes(),
    )
    .await;
    assert_eq!(seen(&world, &hers).await, ["Ada"]);
    let unknown = json!({"relationship": "mother", "parental_responsibility": "unknown", "priority": 2});
    world.put("office", &format!("/people/{pupil}/contacts/{contact}"), &unknown).await.expect(200);
    assert_eq!(seen(&world, &hers).await, [""; 0]);
}

#[tokio::test]
async fn edge_case_30_ties_and_gaps_in_the_order_of_contacts_shut_nobody_out() {
    let order = [("Amy", "1"), ("Bob", "1"), ("Cat", "3"), ("Dan", ""), ("Eve", "99")];
    let rows = |responsibility: &str| {
        let row = |(given, priority): &(&str, &str)| {
            beside(538, given, "Other").with(RESPONSIBILITY, responsibility).with(place::PRIORITY, priority)
        };
        let rows = order.iter().map(row).chain((539..545).map(Row::family));
        Sheet(rows.collect()).bytes()
    };
    let world = World::named(&format!("School {}.", address())).await;
    taken(&world, &rows("")).await;
    // Of whom nobody has said whether they are responsible, those who come first may hold an account: both of them.
    for (given, priority) in order {
        let claim = claim_of(&world, 538, given);
        if priority == "1" {
            assert_eq!(sign_in(&world, &claim).await.1, email(538, given));
        } else {
            assert_eq!(verdict(&world, &claim).await, "review", "{given}");
        }
    }
    // Who is responsible may, wherever they stand.
    taken(&world, &rows("Y")).await;
    for (given, _) in order {
        let (session, to) = sign_in(&world, &claim_of(&world, 538, given)).await;
        assert_eq!(
            (seen(&world, &session).await, to),
            (vec!["Ada".to_owned()], email(538, given)),
            "{given}"
        );
    }
    let told = preview(&world, &draft(&world, "service", &["email"])).await;
    assert_eq!((&told["recipients"], excluded(&told)), (&json!(11), [].into()));
}

fn years_ago(years: i32) -> Date {
    Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date().saturating_sub(years.years())
}

/// A pupil of family `n` who is so many years old today, and the claim of their mother.
fn aged(n: usize, years: i32, year_group: &str) -> (Row, impl Fn(&World) -> Value) {
    let born = years_ago(years);
    let row = Row::family(n).with(BORN, &born.strftime("%d/%m/%Y").to_string()).with(YEAR, year_group);
    (row, move |world: &World| but(&mother(world, n), "/child/date_of_birth", &born.to_string()))
}

#[tokio::test]
async fn edge_case_31_a_birthday_ends_no_account_and_the_pupils_word_counts() {
    let (sixteen, hers) = aged(545, 16, "11");
    let (adult, theirs) = aged(546, 18, "13");
    let world = school(vec![sixteen, adult]).await;
    let (hers, _) = sign_in(&world, &hers(&world)).await;
    let (theirs, _) = sign_in(&world, &theirs(&world)).await;
    sent(&world, &post(&world, "Trip", &json!({}))).await;
    for who in [&hers, &theirs] {
        assert_eq!(
            (seen(&world, who).await, subjects(&world, who).await),
            (vec!["Ada".to_owned()], vec!["Trip".to_owned()])
        );
    }
    // The pupil objects: recorded and sent to the school, which decides about the rest; marketing about them stops at once.
    let (pupil, contact) = (person(&world, "P0545", "pupil").await, person(&world, "C0545", "contact").await);
    let consent = json!({"version": 0, "taken_on": "2026-09-01", "choices": [{"purpose": "marketing", "channel": "email", "allowed": true}]});
    world.put("office", &format!("/people/{contact}/consents"), &consent).await.expect(200);
    let marketing = async || {
        let mut draft = draft(&world, "marketing", &["email"]);
        draft["audience"] = json!({"people": [pupil]});
        preview(&world, &draft).await["recipients"].clone()
    };
    assert_eq!(marketing().await, 1);
    let objection = json!({"kind": "objection", "person_id": pupil});
    let made = world.post("office", "/subject-requests", &objection).await.expect(201);
    assert_eq!((&made["status"], &made["needs_authority"]), (&json!("open"), &json!(false)));
    assert_eq!(told(&world, text(&made["request_id"]), "").await.to, "dpo@oakfield.example.org");
    assert_eq!(marketing().await, 0);
    // Nobody but the school cuts the parent off.
    assert_eq!(seen(&world, &hers).await, ["Ada"]);
    world.put("office", &format!("/people/{pupil}/contacts/{contact}"), &link(false, "no")).await.expect(200);
    assert_eq!(seen(&world, &hers).await, [""; 0]);
}

#[tokio::test]
async fn edge_case_32_a_parent_who_asks_for_a_sixth_former_needs_authority() {
    let (sixth_former, hers) = aged(547, 17, "12");
    let young = child(Row::family(547), "Bea", "P9547");
    let world = school(vec![sixth_former, young]).await;
    let (session, _) = sign_in(&world, &hers(&world)).await;
    let (ada, bea) = (person(&world, "P0547", "pupil").await, person(&world, "P9547", "pupil").await);
    let me = person(&world, "C0547", "contact").await;
    for (person_id, needs_authority) in [(&ada, true), (&bea, false), (&me, false)] {
        let body = json!({"kind": "access", "person_id": person_id});
        let asked = world.post(&session, "/v1/me/subject-requests", &body).await.expect(201);
        let of_school =
            world.get("dpo", &format!("/subject-requests/{}", text(&asked["request_id"]))).await.expect(200);
        assert_eq!(
            (&of_school["needs_authority"], &of_school["made_by"]),
            (&json!(needs_authority), &json!({"contact_id": me})),
            "{of_school}"
        );
    }
    // The pupil's own goes by the school, and the parent does not hear of it.
    let own = world
        .post("office", "/subject-requests", &json!({"kind": "access", "person_id": ada}))
        .await
        .expect(201);
    assert_eq!(own["needs_authority"], false);
    let hers = world.get(&session, "/v1/me/subject-requests").await.expect(200);
    assert!(!hers.to_string().contains(text(&own["request_id"])), "{hers}");
    assert_eq!(hers["items"].as_array().map(Vec::len), Some(3));
}

#[tokio::test]
async fn edge_case_45_the_schools_own_address_signs_nobody_up() {
    let own = ["office@oakfield.example.org", "dpo@oakfield.example.org", "help@oakfield.example.org"];
    let rows = [0, 1, 2].map(|at| Row::family(557 + at).with(MOBILE, "").with(EMAIL, own[at]));
    let world = school(rows.to_vec()).await;
    world.put("office", "/settings", &json!({"support_email": own[2]})).await.expect(200);
    for (at, address) in own.iter().enumerate() {
        let claimed = but(&mother(&world, 557 + at), "/parent/email", address);
        let verification = claim(&world, &claimed).await;
        assert_eq!(looked_at(&world, &verification).await, "review", "{address}");
        assert!(
            json!(waiting(&world, &verification).await["evidence"]).to_string().contains("school"),
            "{address}"
        );
        refused(enter(&world, &verification, "00000000").await);
        // Not by the office's approval either: there is nowhere to send a code to.
        decide(&world, &verification, "approve").await.problem(409, "conflict");
        assert_eq!(signing_in(&world, &json!({"email": address})).await, "no", "{address}");
    }
    assert_eq!(codes_to(&world).await, [""; 0]);
    // With a number of her own she gets in, and the code goes there.
    taken(
        &world,
        &Sheet(vec![rows[0].clone().with(MOBILE, "07700 900557"), rows[1].clone(), rows[2].clone()]).bytes(),
    )
    .await;
    let claimed = but(&mother(&world, 557), "/parent/email", own[0]);
    let (session, to) = sign_in(&world, &claimed).await;
    assert_eq!((to.as_str(), seen(&world, &session).await), ("+447700900557", vec!["Ada".to_owned()]));
}

#[tokio::test]
async fn edge_case_60_day_and_month_swapped_is_for_the_office_to_see() {
    let world = school(vec![Row::family(553).with(BORN, "03/04/2018"), Row::family(554)]).await;
    let born = |day: &str| but(&mother(&world, 553), "/child/date_of_birth", day);
    let verification = claim(&world, &born("2018-03-04")).await;
    assert_eq!(looked_at(&world, &verification).await, "review");
    refused(enter(&world, &verification, "00000000").await);
    assert_eq!(codes(&world).await.len(), 0);
    let told = waiting(&world, &verification).await;
    assert!(json!(told["evidence"]).to_string().contains("born_day_month_swapped"), "{told}");
    assert!(!told.to_string().contains("2018"), "{told}");
    // Never anything but the very day and the swapped one.
    for day in ["2018-04-04", "2018-03-03", "2017-04-03", "2018-04-30"] {
        assert_eq!(verdict(&world, &born(day)).await, "no", "{day}");
    }
    decide(&world, &verification, "approve").await.expect(200);
    let (_, to, right) = code(&world, 1).await;
    assert_eq!(to, "+447700900553");
    let entered = enter(&world, &verification, &right).await.expect(201);
    let hers = format!("Bearer {}", text(&entered["session_token"]));
    assert_eq!(seen(&world, &hers).await, ["Ada"]);
    // A file with the swapped day moves nothing for her, and the office is told.
    let swapped = Sheet(vec![Row::family(553).with(BORN, "04/03/2018"), Row::family(554)]);
    let upload = world.upload(&swapped.bytes()).await;
    assert!(json!(upload["findings"]).to_string().contains("date_changed"), "{upload}");
    assert_eq!(seen(&world, &hers).await, ["Ada"]);
    assert_eq!(verdict(&world, &born("2018-04-03")).await, "proved_by_code");
}
