//! What a claim comes to against a school's whole directory. Pure. What matched is for the school alone: the caller hears the same
//! in every case.
//!
//! Names and the date of birth select, a code to the contact's own registered contact point proves, the tie to the child authorises.
//! [`Verdict::ProvedByCode`] takes all of it as registered: the day of birth exactly, the child's name as folding sees it, one
//! contact's name (titles and particles apart), responsibility for the child, and a named contact point that nobody else of the
//! school reads. Where one thing is in doubt and the rest fits, a contact point among it, somebody at the school looks:
//! [`Verdict::Review`]. Everything else is [`Verdict::No`].
//!
//! Nobody who may be meant by a restriction gets in: a restricted contact of the child who has the claimed name is refused, and so is
//! an unrestricted one of the same name, because they are oftener one person in two records than two; the school is told.

use std::collections::BTreeSet;

use jiff::{SignedDuration, civil::Date, tz::TimeZone};
use serde::{Deserialize, Serialize};

use super::{
    claim::Claim,
    evidence::Evidence,
    likely::{self, How, Likeness, Which},
    own::{self, Reader},
};
use crate::{
    channel::Channel,
    id::PersonId,
    person::{
        DateOfBirth, Person, Role,
        email::EmailAddress,
        guardianship::{Link, Responsibility},
        store::Directory,
    },
};

/// What a claim came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Everything fits: a code to the registered contact point will prove it.
    ProvedByCode,
    /// A person has to look: two fit, a name is only alike, or the contact point is shared.
    Review,
    /// Nothing fits, or the contact is kept away.
    #[default]
    No,
}

/// A verdict and what it rests on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Match {
    /// The verdict.
    pub verdict: Verdict,
    /// The contact and the pupil, where one of each fits.
    pub pair: Option<(PersonId, PersonId)>,
    /// Every contact who fits, with the pupil.
    pub candidates: Vec<(PersonId, PersonId)>,
    /// The channel on which the pair's registered contact point was named and is nobody else's. None where a code would prove nothing.
    pub channel: Option<Channel>,
    /// What speaks for it and against it.
    pub evidence: BTreeSet<Evidence>,
}

impl Match {
    /// A claim that fits nothing.
    pub const NO: Self = Self {
        verdict: Verdict::No,
        pair: None,
        candidates: Vec::new(),
        channel: None,
        evidence: BTreeSet::new(),
    };

    /// Whether the claim was refused by rule although the facts fit: the school is told.
    pub fn is_alert(&self) -> bool {
        let by_rule = [Evidence::Restricted, Evidence::NoResponsibility];
        self.verdict == Verdict::No && by_rule.iter().any(|rule| self.evidence.contains(rule))
    }
}

/// How long a pupil who left every list is still found, in days: as long as their parents see them.
const GRACE_DAYS: i64 = 7;
/// Where a code goes, the surer first.
const CHANNELS: [Channel; 2] = [Channel::Sms, Channel::Email];

/// Matches a claim against the whole directory of the school that it names. `own` are the school's own addresses (where replies go,
/// the data protection lead's), which prove nobody. Takes time in proportion to the directory.
pub fn decide(directory: &Directory, claim: &Claim, own: &[EmailAddress], today: Date) -> Match {
    let children = children(directory, claim, today);
    let mut fits: Vec<Fit<'_>> =
        children.iter().flat_map(|child| contacts(directory, claim, child)).collect();
    // A child of just that name and day wins over one who is only like it: twins are told apart by nothing else.
    let is_exact = fits.iter().any(|fit| fit.child.is_strong() && fit.is_candidate());
    fits.retain(|fit| fit.child.is_strong() || !is_exact);
    let meant = children.iter().filter(|child| child.is_strong() || !is_exact).count();
    let (candidates, hints): (Vec<_>, Vec<_>) = fits.into_iter().partition(Fit::is_candidate);
    if candidates.iter().any(|fit| fit.standing == Standing::Restricted) {
        return Match::of(Verdict::No, &candidates, [Evidence::Restricted]);
    }
    let (dead, candidates): (Vec<_>, Vec<_>) =
        candidates.into_iter().partition(|fit| fit.standing == Standing::Deceased);
    if candidates.is_empty() {
        return Match::of(Verdict::No, &dead, dead.first().map(|_| Evidence::Deceased));
    }
    if candidates.iter().all(|fit| fit.named.is_empty()) {
        return Match::of(Verdict::No, &candidates, None);
    }
    if candidates.iter().all(|fit| fit.standing == Standing::Denied) {
        return Match::of(Verdict::No, &candidates, [Evidence::NoResponsibility]);
    }
    let stands = |fits: &[Fit<'_>], standing| fits.iter().any(|fit| fit.standing == standing);
    let doubts: Vec<_> = [
        (Evidence::TwoChildren, meant > 1),
        (Evidence::TwoContacts, candidates.iter().any(|fit| fit.contact != candidates[0].contact)),
        (Evidence::Restricted, stands(&hints, Standing::Restricted)),
        (Evidence::NoResponsibility, stands(&candidates, Standing::Denied)),
        (Evidence::ResponsibilityUnknown, stands(&candidates, Standing::Unknown)),
    ]
    .into_iter()
    .filter_map(|(doubt, is_so)| is_so.then_some(doubt))
    .collect();
    let mut found = Match::of(Verdict::Review, &candidates, doubts.iter().copied());
    if let [one] = &candidates[..] {
        let (channel, told) = one.own_channel(directory, claim, own);
        let is_certain = one.child.is_strong() && one.is_strong() && doubts.is_empty();
        if is_certain && channel.is_some() {
            found.verdict = Verdict::ProvedByCode;
        }
        found.channel = channel;
        found.evidence.extend(told);
    }
    found
}

impl Match {
    fn of(verdict: Verdict, fits: &[Fit<'_>], why: impl IntoIterator<Item = Evidence>) -> Self {
        let candidates: Vec<_> = fits.iter().map(|fit| (fit.contact, fit.child.id)).collect();
        let pair = if let [one] = candidates[..] { Some(one) } else { None };
        let evidence = fits.iter().flat_map(Fit::evidence).chain(why).collect();
        Self { verdict, pair, candidates, channel: None, evidence }
    }
}

/// A pupil whom the claim may name.
struct Child {
    id: PersonId,
    likeness: Likeness,
    /// Day and month of birth stand in each other's place.
    is_swapped: bool,
}

impl Child {
    /// Whether the child is the one named: the very day of birth, the name as folding sees it.
    fn is_strong(&self) -> bool {
        !self.is_swapped && self.likeness.how.is_folded()
    }
}

/// The pupils whom a claim may name. A date of birth is never like another, but for day and month in each other's place where the
/// name is the same.
fn children(directory: &Directory, claim: &Claim, today: Date) -> Vec<Child> {
    let swapped = swapped(claim.born);
    let on_roll = directory
        .visible_people()
        .filter(|(_, person)| person.role == Role::Pupil && is_found(person, today));
    let named = on_roll.filter_map(|(id, person)| {
        let born = person.date_of_birth?;
        let is_swapped = born != claim.born;
        if is_swapped && Some(born) != swapped {
            return None;
        }
        let likeness = likely::likest(&claim.child, person)?;
        let is_enough = likeness.how.is_folded() || !is_swapped && may_be_a_childs(likeness.how);
        is_enough.then_some(Child { id, likeness, is_swapped })
    });
    named.collect()
}

fn swapped(born: DateOfBirth) -> Option<DateOfBirth> {
    let born = born.expose();
    Date::new(born.year(), born.day(), born.month()).ok().map(DateOfBirth)
}

/// Whether a pupil's parents see them: on the roll, or gone from it for less than the grace.
fn is_found(pupil: &Person, today: Date) -> bool {
    let in_grace = pupil.missing_since.is_none_or(|since| {
        let gone = today.duration_since(since.to_zoned(TimeZone::UTC).date());
        gone < SignedDuration::from_hours(24 * GRACE_DAYS)
    });
    in_grace && !pupil.deceased && pupil.leaves_on.is_none_or(|last| today <= last)
}

/// What a contact may do about a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// Hold an account.
    May,
    /// Perhaps: nobody has said whether they are responsible, and somebody else comes first.
    Unknown,
    /// Nothing: the school says that they are not responsible.
    Denied,
    /// Nothing: kept away.
    Restricted,
    /// Nothing any more.
    Deceased,
}

impl Standing {
    /// None where the school's systems no longer name the contact as one. A restriction outlives that.
    fn of(person: &Person, link: &Link) -> Option<Self> {
        match link.parental_responsibility {
            _ if person.deceased => Some(Self::Deceased),
            _ if link.restricted => Some(Self::Restricted),
            _ if !link.holds() || person.missing_since.is_some() => None,
            Responsibility::No => Some(Self::Denied),
            _ if link.may_hold_account() => Some(Self::May),
            Responsibility::Yes | Responsibility::Unknown => Some(Self::Unknown),
        }
    }
}

/// A contact of a child, with a name like the claimed one.
struct Fit<'a> {
    child: &'a Child,
    contact: PersonId,
    person: &'a Person,
    likeness: Likeness,
    /// The channels on which a registered contact point was named.
    named: Vec<Channel>,
    standing: Standing,
}

/// The contacts of a child whose name is like the claimed one.
fn contacts<'a>(
    directory: &'a Directory,
    claim: &'a Claim,
    child: &'a Child,
) -> impl Iterator<Item = Fit<'a>> {
    directory.links_of(child.id).filter_map(move |(contact, link)| {
        let person = directory.person(contact).filter(|person| person.role == Role::Contact)?;
        let standing = Standing::of(person, link)?;
        let likeness = likely::likest(&claim.parent, person)?;
        let is_named = |channel: &Channel| match channel {
            Channel::Email => person.emails.contains(&claim.email),
            Channel::Sms => person.phones.contains(&claim.mobile),
            Channel::App => false,
        };
        let named = CHANNELS.into_iter().filter(is_named).collect();
        Some(Fit { child, contact, person, likeness, named, standing })
    })
}

impl Fit<'_> {
    /// Whether the name is the contact's. A former one is not.
    fn is_strong(&self) -> bool {
        self.likeness.how.is_same() && self.likeness.which != Which::Former
    }

    /// Whether the contact may be the claimant: by name, or by a like name and a contact point. With a date of birth in doubt, the
    /// name is not.
    fn is_candidate(&self) -> bool {
        self.is_strong() || !self.child.is_swapped && !self.named.is_empty()
    }

    /// The channel, if there is one, on which a code to the contact proves the claimant; and what is to be said of the contact
    /// points that were named.
    fn own_channel(
        &self,
        directory: &Directory,
        claim: &Claim,
        own: &[EmailAddress],
    ) -> (Option<Channel>, BTreeSet<Evidence>) {
        let mut told = BTreeSet::new();
        let mut proves = |channel: &Channel| {
            let goes_to = match channel {
                Channel::Email => self.person.email() == Some(&claim.email),
                Channel::Sms => self.person.mobile() == Some(&claim.mobile),
                Channel::App => false,
            };
            let reader = own::reader(directory, self.contact, *channel, own).filter(|_| goes_to);
            told.extend(match reader {
                Some(Reader::Own) => None,
                Some(Reader::Shared) => Some(Evidence::ContactPointShared),
                Some(Reader::School) => Some(Evidence::ContactPointOfSchool),
                None => Some(Evidence::ContactPointNotFirst),
            });
            reader == Some(Reader::Own)
        };
        let channel = self.named.iter().copied().find(|channel| proves(channel));
        (channel, told)
    }

    fn evidence(&self) -> impl Iterator<Item = Evidence> {
        let named = self.named.iter().filter_map(|channel| match channel {
            Channel::Email => Some(Evidence::EmailRegistered),
            Channel::Sms => Some(Evidence::MobileRegistered),
            Channel::App => None,
        });
        let child_name = match self.child.likeness.which {
            Which::Legal => None,
            Which::Preferred => Some(Evidence::ChildPreferredName),
            Which::Former => Some(Evidence::ChildFormerName),
        };
        let parent_name = match self.likeness.which {
            Which::Legal => None,
            Which::Preferred => Some(Evidence::ParentPreferredName),
            Which::Former => Some(Evidence::ParentFormerName),
        };
        let born = self.child.is_swapped.then_some(Evidence::BornDayMonthSwapped);
        let slips = [of_child(self.child.likeness.how), of_parent(self.likeness.how)];
        slips.into_iter().chain([child_name, parent_name, born]).flatten().chain(named)
    }
}

/// Whether a name may be the child's. Brothers and sisters share an initial, a family name and, twins, a birthday: neither is
/// enough.
fn may_be_a_childs(how: How) -> bool {
    !matches!(how, How::Initial | How::FamilyNameAlone | How::OtherFamilyName)
}

/// What is said of a child's name.
fn of_child(how: How) -> Option<Evidence> {
    match how {
        How::Exact => None,
        How::Folded => Some(Evidence::ChildNameFolded),
        How::Title => Some(Evidence::ChildTitleInName),
        How::Particle => Some(Evidence::ChildParticle),
        How::Nickname => Some(Evidence::ChildNickname),
        How::OneEdit => Some(Evidence::ChildOneEdit),
        How::Swapped => Some(Evidence::ChildNamesSwapped),
        How::MiddleName => Some(Evidence::ChildMiddleName),
        How::HyphenHalf => Some(Evidence::ChildHyphenHalf),
        How::OneName => Some(Evidence::ChildOneName),
        How::Initial | How::FamilyNameAlone | How::OtherFamilyName => None,
    }
}

/// What is said of a contact's name.
fn of_parent(how: How) -> Option<Evidence> {
    match how {
        How::Exact => None,
        How::Folded => Some(Evidence::ParentNameFolded),
        How::Title => Some(Evidence::ParentTitleInName),
        How::Particle => Some(Evidence::ParentParticle),
        How::Nickname => Some(Evidence::ParentNickname),
        How::OneEdit => Some(Evidence::ParentOneEdit),
        How::Swapped => Some(Evidence::ParentNamesSwapped),
        How::MiddleName => Some(Evidence::ParentMiddleName),
        How::HyphenHalf => Some(Evidence::ParentHyphenHalf),
        How::Initial => Some(Evidence::ParentInitial),
        How::OneName | How::FamilyNameAlone => Some(Evidence::ParentOneName),
        How::OtherFamilyName => Some(Evidence::ParentOtherFamilyName),
    }
}

#[cfg(test)]
#[path = "matching_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "matching_cases.rs"]
mod cases;
