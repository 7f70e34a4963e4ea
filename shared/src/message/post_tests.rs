//! Who sees a post: small families, and the same rules as those by which messages go out.

use jiff::civil::date;
use proptest::{collection::vec, prelude::*};

use super::*;
use crate::{
    channel::Channel,
    message::audience::resolve,
    person::{
        guardianship::Responsibility,
        made_up::{Families, responsible},
    },
    privacy::consent::Register,
};

const TODAY: Date = date(2026, 11, 22);

fn content(audience: Audience) -> Content {
    Content { subject: Some("Trip".into()), body: "Boots".into(), audience }
}

fn people(people: &[PersonId], except: &[PersonId]) -> Audience {
    Audience { people: people.to_vec(), except: except.to_vec(), ..Audience::default() }
}

fn years(year: &str) -> Audience {
    Audience { year_groups: vec![year.into()], ..Audience::default() }
}

/// Contact and pupil of each pair that sees one of the posts.
fn readers(families: &Families, posts: &[About]) -> BTreeSet<(PersonId, PersonId)> {
    let sent = (Timestamp::from_second(1_000_000).unwrap(), TODAY);
    let sees = |contact, child| posts.iter().any(|about| about.is_for(sent, contact, child));
    let links = families.directory.visible_links();
    links
        .filter_map(|(id, contact, link)| {
            let person = families.directory.person(id)?;
            sees(contact, Child { id, person, link }).then_some((contact, id))
        })
        .collect()
}

fn sent_to(families: &Families, audience: Audience) -> Vec<About> {
    posts(&families.directory, &content(audience), Purpose::Service, TODAY)
}

#[test]
fn a_post_is_for_who_may_hold_an_account_for_a_child_it_names() {
    let mut school = Families::default();
    let (ann, ben) = (school.pupil("Ann Smith", "3", "3A"), school.pupil("Ben Smith", "4", "4A"));
    let (mary, john) = (school.contact("Mary Smith", "", &[]), school.contact("John Smith", "", &[]));
    for pupil in [ann, ben] {
        school.link(pupil, mary, responsible());
        school.link(pupil, john, responsible());
    }
    let see = |school: &Families, audience| readers(school, &sent_to(school, audience));
    assert_eq!(see(&school, years("3")), BTreeSet::from([(mary, ann), (john, ann)]));
    assert_eq!(see(&school, people(&[ben], &[])), BTreeSet::from([(mary, ben), (john, ben)]));
    // To one of two parents alone: about all her children, but for those taken out.
    assert_eq!(see(&school, people(&[mary], &[])), BTreeSet::from([(mary, ann), (mary, ben)]));
    assert_eq!(see(&school, people(&[mary], &[ben])), BTreeSet::from([(mary, ann)]));
    assert_eq!(see(&school, people(&[ann], &[john])), BTreeSet::from([(mary, ann)]));
    let all = Audience { except: vec![john, ben], ..Audience::default() };
    assert_eq!(see(&school, all), BTreeSet::from([(mary, ann)]));
    // What is for others than parents is posted nowhere.
    for role in [Role::Governor, Role::Staff, Role::Pupil] {
        assert_eq!(sent_to(&school, Audience { roles: vec![role], ..Audience::default() }), [], "{role:?}");
    }

    // Rights are those of the moment.
    let sent = sent_to(&school, years("3"));
    school.tie(ann, john).restricted = true;
    school.tie(ann, mary).parental_responsibility = Responsibility::Unknown;
    assert_eq!(readers(&school, &sent), BTreeSet::new());
    school.tie(ann, mary).priority = Some(1);
    assert_eq!(readers(&school, &sent), BTreeSet::from([(mary, ann)]));
    // No consent to marketing.
    let marketing = posts(&school.directory, &content(years("3")), Purpose::Marketing, TODAY);
    assert_eq!(readers(&school, &marketing), BTreeSet::new());
}

#[test]
fn a_child_who_moves_up_keeps_their_letters_and_nobody_gets_those_of_others() {
    let mut school = Families::default();
    let (ann, ben) = (school.pupil("Ann Smith", "3", "3A"), school.pupil("Ben Jones", "2", "2A"));
    let (mary, jo) = (school.contact("Mary Smith", "", &[]), school.contact("Jo Jones", "", &[]));
    school.link(ann, mary, responsible());
    school.link(ben, jo, responsible());
    let sent = sent_to(&school, years("3"));
    school.person(ann).year_group = Some("4".into());
    school.person(ben).year_group = Some("3".into());
    assert_eq!(readers(&school, &sent), BTreeSet::from([(mary, ann)]));

    // To all: to those who were there, and had joined.
    let all = sent_to(&school, Audience::default());
    assert_eq!(all.len(), 1);
    assert_eq!(readers(&school, &all), BTreeSet::from([(mary, ann), (jo, ben)]));
    school.person(ben).starts_on = Some(TODAY.tomorrow().unwrap());
    assert_eq!(readers(&school, &all), BTreeSet::from([(mary, ann)]));
    let early = (Timestamp::UNIX_EPOCH, TODAY);
    let link = responsible();
    let child = Child { id: ann, person: school.directory.person(ann).unwrap(), link: &link };
    assert!(!all[0].is_for(early, mary, child), "the letter is older than the child's record");
}

#[test]
fn a_title_is_the_beginning_with_whole_placeholders() {
    let of = |subject: Option<&str>, body: &str| {
        title(&Content {
            subject: subject.map(str::to_owned),
            body: body.into(),
            audience: Audience::default(),
        })
    };
    assert_eq!(of(Some("Trip for ((child))"), "Boots"), "Trip for ((child))");
    assert_eq!(of(Some(" "), "Dear ((name)),\n\n bring \tboots."), "Dear ((name)), bring boots.");
    assert_eq!(of(None, ""), "");
    let long = of(None, &format!("{} ((child)) is ill", "x".repeat(150)));
    assert_eq!(long, format!("{} …", "x".repeat(150)));
    for text in ["x", "\"", "\\", "é", "🙂", "((name)) ", "a\u{0} b"] {
        let cut = of(None, &text.repeat(300));
        assert!(serde_json::to_string(&cut).unwrap().len() <= TITLE + 2, "{cut}");
    }
}

/// The largest post is what a page's arithmetic says it is.
#[test]
fn the_largest_post_is_below_its_bound() {
    let many: People = (0..i64::try_from(PEOPLE).unwrap())
        .map(|n| PersonId::new(Timestamp::from_second(n).unwrap(), &[n.to_le_bytes()[0]; 10]))
        .collect();
    let about = About {
        purpose: Purpose::Attendance,
        title: "x".repeat(TITLE),
        everybody: true,
        pupils: many,
        contacts: People::default(),
        except: People::default(),
    };
    let plain = serde_json::to_vec(&about).unwrap().len();
    assert!(plain <= 160 + 14 * PEOPLE + 110, "{plain}");
    assert_eq!(serde_json::from_slice::<About>(&serde_json::to_vec(&about).unwrap()).unwrap(), about);
}

proptest! {
    /// Whatever a sender chooses, whoever the message is sent to and may hold an account finds it, about the same children, and
    /// nobody finds it who would not have been written to.
    #[test]
    fn the_inbox_and_the_post_have_the_same_readers(
        ties in vec(prop::option::of((0_u8..3, any::<bool>())), 0..160),
        (named, except) in (vec(0_usize..60, 0..8), vec(0_usize..60, 0..40)),
        year in prop::option::of("[34]"),
    ) {
        let mut school = Families::default();
        let pupils: Vec<_> = (0..40).map(|n| school.pupil("Ann Smith", if n % 3 == 0 { "4" } else { "3" }, "A")).collect();
        let contacts: Vec<_> = (0..20).map(|n| school.contact("Mary Smith", &format!("m{n}@example.com"), &[])).collect();
        for (place, tie) in ties.iter().enumerate() {
            if let Some((responsibility, restricted)) = tie {
                let parental_responsibility = [Responsibility::Yes, Responsibility::No, Responsibility::Unknown][usize::from(*responsibility)];
                let link = Link { parental_responsibility, restricted: *restricted && place % 5 == 0, ..Link::default() };
                school.link(pupils[place % 40], contacts[place * 7 % 20], link);
            }
        }
        let all: Vec<_> = pupils.iter().chain(&contacts).copied().collect();
        let pick = |places: &[usize]| places.iter().map(|at| all[*at]).collect::<Vec<_>>();
        let audience = Audience { year_groups: year.into_iter().collect(), ..people(&pick(&named), &pick(&except)) };
        let found = sent_to(&school, audience.clone());
        for about in &found {
            prop_assert!(about.len() <= PEOPLE);
        }
        let nobody_chose = Register::default();
        let sent = resolve(&school.directory, &nobody_chose, &audience, Purpose::Service, &[Channel::App], TODAY);
        let written: BTreeSet<_> = sent.recipients.values().flatten()
            .flat_map(|recipient| recipient.pupils.iter().map(|pupil| (recipient.person, *pupil)))
            .collect();
        prop_assert_eq!(readers(&school, &found), written);
    }
}
