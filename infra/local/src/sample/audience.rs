//! Who a message reaches and who may hold an account: the rules of the service, said once more and shortly.

use std::collections::{BTreeMap, BTreeSet};

use super::School;
use super::model::{Contact, Email, Phone, Terms, Year};
use super::report::{Audience, Channel, Excluded, Reason};

/// Relationships that stand for responsibility where the file is silent about it.
const PARENT_KINDS: [&str; 5] = ["Mother", "Father", "Carer", "Guardian", "Step-parent"];

/// Every audience that tests ask for.
pub(super) fn all(school: &School) -> BTreeMap<String, Audience> {
    let middle = [Year(3), Year(4)];
    let usual = [Channel::Email, Channel::Sms];
    let mut audiences = BTreeMap::from([
        ("years_3_and_4".to_owned(), audience(school, &middle, &usual)),
        ("years_3_and_4_sms_first".to_owned(), audience(school, &middle, &[Channel::Sms, Channel::Email])),
        ("years_3_and_4_email_only".to_owned(), audience(school, &middle, &[Channel::Email])),
        ("years_3_and_4_sms_only".to_owned(), audience(school, &middle, &[Channel::Sms])),
        ("all_years".to_owned(), audience(school, &Year::ALL, &usual)),
    ]);
    for year in Year::ALL {
        audiences.insert(format!("year_{}", year.label()), audience(school, &[year], &usual));
    }
    audiences
}

/// A contact may hold an account for a child if no order forbids it and the responsibility is certain, or likely
/// because the school calls this contact first.
pub(super) fn account_holders(school: &School) -> usize {
    let may = |terms: Terms| {
        let first = terms.priority == Some(1) && terms.responsibility != Some(false);
        !terms.restricted && (terms.responsibility == Some(true) || first)
    };
    let used = school.links.iter().filter(|link| !school.pupils[link.pupil].nameless);
    let holders: BTreeSet<usize> = used.filter(|link| may(link.terms)).map(|link| link.contact).collect();
    holders.len()
}

fn responsible(terms: Terms) -> bool {
    match terms.responsibility {
        Some(known) => known,
        None => terms.priority == Some(1) || PARENT_KINDS.contains(&terms.relationship),
    }
}

/// A service message to all contacts of the children of some years.
fn audience(school: &School, years: &[Year], channels: &[Channel]) -> Audience {
    let chosen: BTreeSet<usize> = (0..school.pupils.len())
        .filter(|&index| !school.pupils[index].nameless && years.contains(&school.pupils[index].year))
        .collect();
    let mut terms_of: BTreeMap<usize, Vec<Terms>> = BTreeMap::new();
    let mut lonely = chosen.clone();
    for link in school.links.iter().filter(|link| chosen.contains(&link.pupil)) {
        terms_of.entry(link.contact).or_default().push(link.terms);
        lonely.remove(&link.pupil);
    }

    let mut points: BTreeSet<(Channel, String)> = BTreeSet::new();
    let mut excluded: BTreeMap<Reason, Vec<String>> = BTreeMap::new();
    for (contact, terms) in terms_of {
        let contact = &school.contacts[contact];
        let outcome = if terms.iter().any(|terms| !terms.restricted && responsible(*terms)) {
            // One call of `insert` per person: whoever comes second to a contact point is a duplicate.
            match channels.iter().find_map(|&channel| Some((channel, point(contact, channel)?))) {
                Some(point) => (!points.insert(point)).then_some(Reason::Duplicate),
                None => Some(unreachable(contact)),
            }
        } else if terms.iter().any(|terms| terms.restricted) {
            Some(Reason::Restricted)
        } else {
            Some(Reason::NoResponsibility)
        };
        if let Some(reason) = outcome {
            excluded.entry(reason).or_default().push(contact.source_id.clone());
        }
    }
    for pupil in lonely {
        excluded.entry(Reason::NoContact).or_default().push(school.pupils[pupil].source_id.clone());
    }

    let mut by_channel = BTreeMap::new();
    for (channel, _) in &points {
        *by_channel.entry(*channel).or_default() += 1;
    }
    Audience {
        year_groups: years.iter().map(|year| year.label()).collect(),
        purpose: "service".to_owned(),
        channels: channels.to_vec(),
        pupils: chosen.len(),
        recipients: points.len(),
        by_channel,
        excluded: excluded.into_iter().map(|(reason, source_ids)| exclusion(reason, source_ids)).collect(),
    }
}

fn exclusion(reason: Reason, mut source_ids: Vec<String>) -> Excluded {
    let count = source_ids.len();
    source_ids.sort();
    if reason == Reason::Duplicate {
        source_ids.clear();
    }
    Excluded { reason, count, source_ids }
}

/// Where a channel would reach this contact; equal for two people means one message.
fn point(contact: &Contact, channel: Channel) -> Option<String> {
    match (channel, &contact.email, &contact.phone) {
        (Channel::Email, Email::Valid(address), _) => Some(address.to_lowercase()),
        (Channel::Sms, _, Phone::Mobile { line, .. }) => Some(line.to_string()),
        _ => None,
    }
}

fn unreachable(contact: &Contact) -> Reason {
    match (&contact.phone, &contact.email) {
        (Phone::Landline(_), _) => Reason::LandlineOnly,
        (Phone::Damaged { .. }, _) | (_, Email::Damaged(_)) => Reason::Invalid,
        _ => Reason::NoContact,
    }
}
