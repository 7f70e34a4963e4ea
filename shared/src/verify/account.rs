//! Parents' accounts: which contacts, at which schools, somebody has shown themselves to be, and by which contact points.
//!
//! Accounts are a domain of their own, with their own key: ids and keyed hashes only. What an account may see is nowhere kept:
//! every request reads the school's links.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    channel::Channel,
    http::FieldError,
    id::{AccountId, PersonId, SchoolId},
    person::{
        Person,
        email::EmailAddress,
        phone::{PhoneKind, PhoneNumber},
    },
    privacy::retention::DataClass,
    seal::DataKey,
    store::{
        key::{self, Key, TableName},
        table::{Condition, Record, StoreError, Update, Write, value},
    },
};

/// The most proofs of an account: ten schools with both contact points. Writing an account takes an item for each contact and each
/// proof, and a change of hands writes two accounts: 2 × (1 + 20 + 10) of the 100 that a transaction takes.
const MAX_PROOFS: usize = 20;

/// A contact of a school.
pub type Contact = (SchoolId, PersonId);

/// Where a code can go. Prints masked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContactPoint {
    /// A mobile number.
    Mobile(PhoneNumber),
    /// An e-mail address.
    Email(EmailAddress),
}

impl ContactPoint {
    /// The one that somebody names, or the fault in it.
    pub fn read(mobile: Option<&str>, email: Option<&str>) -> Result<Self, Vec<FieldError>> {
        let fault = |pointer: &str, code, detail: &str| vec![FieldError::new(pointer, code, detail)];
        match (mobile, email) {
            (Some(text), None) => Some(text)
                .filter(|text| text.len() <= 60)
                .and_then(|text| PhoneNumber::parse(text).ok())
                .map(|parsed| parsed.number)
                .filter(|number| number.kind() != PhoneKind::Landline)
                .map(Self::Mobile)
                .ok_or_else(|| fault("/mobile", "invalid", "write a mobile number, such as 07700 900123")),
            (None, Some(text)) => Some(text)
                .filter(|text| text.len() <= 400)
                .and_then(|text| text.parse().ok())
                .map(Self::Email)
                .ok_or_else(|| {
                    fault("/email", "invalid", "write an e-mail address, such as name@example.com")
                }),
            _ => Err(fault("", "one_of", "send either mobile or email")),
        }
    }

    /// The one of a person that mail or texts go to.
    pub fn of(person: &Person, channel: Channel) -> Option<Self> {
        match channel {
            Channel::Sms => person.mobile().cloned().map(Self::Mobile),
            Channel::Email => person.email().cloned().map(Self::Email),
            // Whoever reads there has shown who they are already.
            Channel::App => None,
        }
    }

    /// Those of a person that the school has suppressed.
    pub fn suppressed(person: &Person) -> Vec<Self> {
        let emails = person.suppressed.emails.iter().cloned().map(Self::Email);
        emails.chain(person.suppressed.phones.iter().cloned().map(Self::Mobile)).collect()
    }

    /// The channel that reaches it.
    pub const fn channel(&self) -> Channel {
        match self {
            Self::Mobile(_) => Channel::Sms,
            Self::Email(_) => Channel::Email,
        }
    }

    /// Whether somebody has it, in whatever place.
    pub fn is_of(&self, person: &Person) -> bool {
        match self {
            Self::Mobile(number) => person.phones.contains(number),
            Self::Email(address) => person.emails.contains(address),
        }
    }

    /// The form in which two are compared. Personal data.
    pub fn expose(&self) -> &str {
        match self {
            Self::Mobile(number) => number.expose(),
            Self::Email(address) => address.expose(),
        }
    }

    /// What is stored of it with an account: a hash under the accounts' key.
    pub fn blind(&self, accounts: &DataKey) -> String {
        accounts.blind("contact_point", self.expose())
    }
}

/// One proof: somebody entered a code that was sent to a registered contact point of a contact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// The school.
    pub school_id: SchoolId,
    /// The contact.
    pub contact_id: PersonId,
    /// How the code went.
    pub channel: Channel,
    /// [`ContactPoint::blind`] of where it went.
    pub point: String,
    /// When the code was entered, in seconds since 1970.
    pub proved_at: i64,
}

impl Proof {
    /// Whose contact point was proved.
    pub const fn contact(&self) -> Contact {
        (self.school_id, self.contact_id)
    }
}

/// The version of the privacy notice that a parent has accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AcceptedNotice {
    /// The version.
    pub version: String,
    /// When, in seconds since 1970.
    pub at: i64,
}

/// A parent's account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// The id.
    pub account_id: AccountId,
    /// Counts changes: what a conditional write compares.
    pub rev: u64,
    /// What was proved, each at its own school.
    pub proofs: Vec<Proof>,
    /// The privacy notice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notice: Option<AcceptedNotice>,
    /// When it was made, in seconds since 1970.
    pub created: i64,
    /// When it is forgotten unless it is used.
    pub expires: i64,
}

impl Record for Account {
    const KIND: &'static str = "account";
    const TABLE: TableName = TableName::Access;
    const CLASS: DataClass = DataClass::Account;
    fn key(&self) -> Key {
        key::account(self.account_id)
    }
    fn expires(&self) -> Option<i64> {
        Some(self.expires)
    }
}

/// From a contact of a school to their account.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AccountOf {
    /// The school.
    pub school_id: SchoolId,
    /// The contact.
    pub contact_id: PersonId,
    /// Their account.
    pub account_id: AccountId,
    /// When it is forgotten unless it is used.
    pub expires: i64,
}

impl Record for AccountOf {
    const KIND: &'static str = "account_of";
    const TABLE: TableName = TableName::Access;
    const CLASS: DataClass = DataClass::Account;
    fn key(&self) -> Key {
        key::account_of(self.school_id, self.contact_id)
    }
    fn expires(&self) -> Option<i64> {
        Some(self.expires)
    }
}

/// From a contact point to an account that was proved by it: how somebody who signs in again is found.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Login {
    /// [`ContactPoint::blind`].
    pub point: String,
    /// The account.
    pub account_id: AccountId,
    /// The school at which it was proved.
    pub school_id: SchoolId,
    /// The contact whose point it was.
    pub contact_id: PersonId,
    /// When it is forgotten unless the account is used.
    pub expires: i64,
}

impl Record for Login {
    const KIND: &'static str = "login";
    const TABLE: TableName = TableName::Access;
    const CLASS: DataClass = DataClass::Account;
    fn key(&self) -> Key {
        key::login(&self.point, self.school_id, self.contact_id)
    }
    fn expires(&self) -> Option<i64> {
        Some(self.expires)
    }
}

/// The account after a code was entered, and what else changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joined {
    /// The account as it is now, and the `rev` it had; none where it is new.
    pub account: (Account, Option<u64>),
    /// The account that held this contact and does so no more, as it was.
    pub loses: Option<Account>,
    /// Whether the contact was not this account's before.
    pub is_linked: bool,
}

/// Which account a proof goes to.
///
/// The session that the code was entered with says so itself. Without one it is the account that the contact has, but only if
/// that grants no more than what was proved: it holds this contact alone, or this contact point has proved it before. Otherwise
/// whoever gets hold of a contact's mobile at one school would see the children of another school. Then, the contact goes
/// over to a new account.
pub fn join(
    signed_in: Option<&Account>,
    holder: Option<&Account>,
    proof: Proof,
    new: AccountId,
    now: Timestamp,
) -> Joined {
    let mine = |holder: &&Account| {
        holder.contacts().iter().all(|contact| *contact == proof.contact())
            || holder.proofs.iter().any(|known| known.point == proof.point)
    };
    let base = signed_in.or_else(|| holder.filter(mine));
    let mut account = base.cloned().unwrap_or(Account {
        account_id: new,
        rev: 0,
        proofs: Vec::new(),
        notice: None,
        created: now.as_second(),
        expires: 0,
    });
    let is_linked = !account.contacts().contains(&proof.contact());
    let loses = holder.filter(|holder| holder.account_id != account.account_id).cloned();
    account.proofs.retain(|known| (known.contact(), &known.point) != (proof.contact(), &proof.point));
    account.proofs.push(proof);
    // The oldest are forgotten: what leads to them leads nowhere, because the account says so itself.
    account.proofs.drain(..account.proofs.len().saturating_sub(MAX_PROOFS));
    account.expires = (now + DataClass::Account.period()).as_second();
    account.rev += 1;
    Joined { account: (account, base.map(|base| base.rev)), loses, is_linked }
}

impl Joined {
    /// Every write that it takes, one for each item.
    pub fn writes(&self, contact: Contact) -> Result<Vec<Write>, StoreError> {
        let (account, before) = &self.account;
        let mut writes = account.write(*before)?;
        if let Some(holder) = &self.loses {
            let rest = holder.without(contact);
            writes.extend(rest.write(Some(holder.rev))?);
            // What leads to the new holder has been written above.
            let written: BTreeSet<_> = writes.iter().map(|write| write.key().clone()).collect();
            writes.extend(holder.unlink(&rest).into_iter().filter(|write| !written.contains(write.key())));
        }
        Ok(writes)
    }
}

impl Account {
    /// The contacts that it stands for, each once.
    pub fn contacts(&self) -> BTreeSet<Contact> {
        self.proofs.iter().map(Proof::contact).collect()
    }

    /// The account without a contact, if it was one of its own.
    #[must_use]
    pub fn without(&self, contact: Contact) -> Self {
        let proofs = self.proofs.iter().filter(|proof| proof.contact() != contact).cloned().collect();
        Self { proofs, rev: self.rev + 1, ..self.clone() }
    }

    /// Writes the account, and where its contacts and contact points lead to. `before` is the `rev` that is stored; none for a
    /// new one. An account that stands for nobody ends, and every session of it with the next request.
    pub fn write(&self, before: Option<u64>) -> Result<Vec<Write>, StoreError> {
        let unchanged = before.map_or(Condition::Absent, |rev| Condition::Is("rev", value(rev)));
        if self.proofs.is_empty() {
            return Ok(vec![Write::delete(TableName::Access, key::account(self.account_id), unchanged)]);
        }
        let (account_id, expires) = (self.account_id, self.expires);
        let mut writes = vec![Write::put(self, unchanged)?];
        for (school_id, contact_id) in self.contacts() {
            let of = AccountOf { school_id, contact_id, account_id, expires };
            writes.push(Write::put(&of, Condition::Always)?);
        }
        for Proof { school_id, contact_id, point, .. } in self.proofs.clone() {
            let login = Login { point, account_id, school_id, contact_id, expires };
            writes.push(Write::put(&login, Condition::Always)?);
        }
        Ok(writes)
    }

    /// Forgets where the contacts and contact points led to that `after` holds no more.
    pub fn unlink(&self, after: &Self) -> Vec<Write> {
        let mine = Condition::Is("account_id", value(self.account_id));
        let kept = after.contacts();
        let gone = self.contacts().into_iter().filter(|contact| !kept.contains(contact));
        let ofs = gone.map(|(school, contact)| key::account_of(school, contact));
        let logins = self
            .proofs
            .iter()
            .filter(|proof| !after.proofs.contains(proof))
            .map(|proof| key::login(&proof.point, proof.school_id, proof.contact_id));
        let delete = |at| {
            // Another account's by now: it stays. One that has expired already is nobody's.
            let condition = Condition::Any(vec![Condition::Absent, mine.clone()]);
            Write::delete(TableName::Access, at, condition)
        };
        ofs.chain(logins).map(delete).collect()
    }

    /// Whether the use of a session should move the account's end: once a day is enough for a period of two years.
    pub fn is_stale(&self, now: Timestamp) -> bool {
        self.expires < (now + DataClass::Account.period()).as_second() - 86_400
    }

    /// The account, used now.
    #[must_use]
    pub fn used(&self, now: Timestamp) -> Self {
        let expires = (now + DataClass::Account.period()).as_second();
        Self { expires, rev: self.rev + 1, ..self.clone() }
    }

    /// Notes the privacy notice that the parent has accepted.
    pub fn accept_notice(account: AccountId, version: &str, now: Timestamp) -> Write {
        let notice = AcceptedNotice { version: version.to_owned(), at: now.as_second() };
        let update = Update::new().set("notice", notice).add("rev", 1);
        Write::update(TableName::Access, key::account(account), update, Condition::Present)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn school(n: u8) -> SchoolId {
        SchoolId::new(at(0), &[n; 10])
    }

    fn person(n: u8) -> PersonId {
        PersonId::new(at(0), &[n; 10])
    }

    fn account(n: u8) -> AccountId {
        AccountId::new(at(0), &[n; 10])
    }

    /// Contact `n` of school `n`, by a contact point.
    fn proof(n: u8, point: &str) -> Proof {
        let (school_id, contact_id) = (school(n), person(n));
        Proof { school_id, contact_id, channel: Channel::Sms, point: point.to_owned(), proved_at: 0 }
    }

    fn holding(n: u8, proofs: &[Proof]) -> Account {
        Account {
            account_id: account(n),
            rev: 5,
            proofs: proofs.to_vec(),
            notice: None,
            created: 0,
            expires: 0,
        }
    }

    #[test]
    fn a_proof_opens_no_more_than_it_proves() {
        let two_schools = holding(1, &[proof(1, "mobile"), proof(2, "mobile")]);
        let one_school = holding(1, &[proof(1, "mobile")]);
        let signed_in = holding(3, &[proof(3, "other")]);
        // (session, holder of the contact, contact point) -> (account, is linked, what the holder keeps)
        for (what, session, holder, point, expected) in [
            ("the first time", None, None, "mobile", (9, true, None)),
            ("again by the same mobile", None, Some(&two_schools), "mobile", (1, false, None)),
            ("a new mobile, this contact alone", None, Some(&one_school), "new", (1, false, None)),
            ("a new mobile at one of two schools", None, Some(&two_schools), "new", (9, true, Some(1))),
            ("signed in, the first time", Some(&signed_in), None, "mobile", (3, true, None)),
            ("signed in elsewhere", Some(&signed_in), Some(&one_school), "mobile", (3, true, Some(0))),
            ("signed in there", Some(&two_schools), Some(&two_schools), "new", (1, false, None)),
        ] {
            let joined = join(session, holder, proof(1, point), account(9), at(100));
            let (now, before) = &joined.account;
            let contact = (school(1), person(1));
            let loses = joined.loses.as_ref().map(|holder| holder.without(contact).contacts().len());
            let mut keys: Vec<_> =
                joined.writes(contact).unwrap().iter().map(|write| write.key().clone()).collect();
            let all = keys.len();
            keys.sort();
            keys.dedup();
            assert_eq!(keys.len(), all, "{what}: a transaction names each item once");
            assert_eq!(
                (now.account_id, joined.is_linked, loses),
                (account(expected.0), expected.1, expected.2),
                "{what}"
            );
            assert!(now.contacts().contains(&(school(1), person(1))), "{what}");
            assert_eq!(*before, (expected.0 != 9).then_some(5), "{what}");
            assert!(now.expires > 100 && now.rev == before.unwrap_or_default() + 1, "{what}");
            // The other school's children come along with nothing but its own proof.
            let other = now.contacts().contains(&(school(2), person(2)));
            assert_eq!(other, now.account_id == account(1) && holder == Some(&two_schools), "{what}");
        }
    }

    #[test]
    fn one_contact_point_is_named() {
        let read = |mobile, email| {
            ContactPoint::read(mobile, email)
                .map_err(|errors| format!("{} {}", errors[0].pointer, errors[0].code))
        };
        assert_eq!(read(Some("07700 900123"), None).unwrap().expose(), "+447700900123");
        assert_eq!(read(None, Some("Ann@Example.com")).unwrap().expose(), "ann@example.com");
        for (mobile, email, expected) in [
            (None, None, " one_of"),
            (Some("07700 900123"), Some("ann@example.com"), " one_of"),
            (Some("01632 960001"), None, "/mobile invalid"),
            (Some("7".repeat(61).as_str()), None, "/mobile invalid"),
            (None, Some("ann"), "/email invalid"),
        ] {
            assert_eq!(read(mobile, email).unwrap_err(), expected);
        }
    }

    #[test]
    fn an_account_that_stands_for_nobody_ends() {
        let before = holding(1, &[proof(1, "mobile"), proof(1, "mail"), proof(2, "mobile")]);
        let after = before.without((school(1), person(1)));
        assert_eq!(after.contacts().into_iter().collect::<Vec<_>>(), [(school(2), person(2))]);
        // The contact's own entry and both of its contact points.
        assert_eq!(before.unlink(&after).len(), 3);
        assert_eq!(after.write(Some(5)).unwrap().len(), 3);
        assert_eq!(after.without((school(2), person(2))).write(Some(6)).unwrap().len(), 1);
    }
}
