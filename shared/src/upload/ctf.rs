//! The DfE's Common Transfer File: what one school hands to the next about pupils who move, as XML.
//!
//! Read element by element, never as a tree. The version is told and never asked for: what we take in has been the same in all
//! of them, and what a newer one adds is unknown and reported. A file is only ever about the pupils in it: its
//! `DocumentQualifier` says whether a pupil's record is complete, not whether the school is, so nobody absent is missing.

use std::{borrow::Cow, collections::HashMap};

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};
use quick_xml::{
    Reader,
    escape::{resolve_predefined_entity, unescape},
    events::{BytesRef, BytesStart, Event},
};

use super::{
    Refusal, cell,
    column::Column,
    finding::Code,
    intake::{Intake, Place},
    nested::{MAX_NAMES, MAX_PARTS, Names, protecting, was_exported},
};
use crate::{person::Role, privacy::agreement::Field};

/// The deepest that elements may nest. A real file has eight levels.
const MAX_DEPTH: usize = 32;
/// The longest text of one element that is kept, in bytes: far more than any value has.
const MAX_TEXT: usize = 4096;

/// The elements of the format, in any of its versions and in those of programs that write nearly the same, as far as they are read or
/// found to be left behind by name.
#[rustfmt::skip]
const ELEMENTS: &[&str] = &[
    "Header", "DocumentName", "CTFversion", "DateTime", "DocumentQualifier", "DataDescriptor", "SupplierID", "SourceSchool",
    "DestSchool", "LEA", "Estab", "SchoolName", "AcademicYear", "CTFpupilData", "Pupils", "Pupil", "UPN", "UniqueLearnerNumber", "UCI",
    "Surname", "FamilyName", "Forename", "GivenName", "DOB", "DateOfBirth", "Gender", "Sex", "BasicDetails", "FormerUPN",
    "PreferredSurname", "PreferredForename", "FormerSurname", "FormerForename", "MiddleNames", "NCyearActual", "YearGroup", "RegGroup",
    "RegistrationGroup", "Ethnicity", "EthnicitySource", "Languages", "Language", "EnrolStatus", "MedicalFlag", "LookedAfter", "InCare",
    "CareAuthority", "Address", "AddressDetails", "AddressAsPupil", "BS7666Address", "AddressLines", "PostCode", "Phones", "Phone",
    "PhoneNumber", "TelephoneType", "PhoneType", "PhoneNo", "Number", "Email", "Contacts", "Contact", "ContactDetails", "Order",
    "Priority", "Title", "Relationship", "RelationshipCode", "Responsibility", "ParentalResponsibility", "CourtOrder", "Attendance",
    "YearData", "StageAssessments", "SchoolHistory", "School", "SEN", "SENhistory", "FSMhistory", "PupilPremium", "ServiceChild", "Photo",
];

/// Reads a Common Transfer File. Tells its major version, where the file does.
///
/// # Errors
/// A document type or an entity of the file's own is refused unread, and so is what is not well-formed or no such file.
pub fn read(bytes: &[u8], intake: &mut Intake<'_>) -> Result<Option<u16>, Refusal> {
    let text = decode(bytes)?;
    intake.is_partial();
    let mut reader = Reader::from_str(&text);
    reader.config_mut().expand_empty_elements = true;
    let mut walk = Walk::new(intake);
    loop {
        match reader.read_event().map_err(|_| Refusal::BrokenXml)? {
            Event::Start(start) | Event::Empty(start) => {
                check_attributes(&start)?;
                if walk.open.is_empty() {
                    walk.version = stated_version(&start);
                }
                walk.open(start.local_name().into_inner())?;
            }
            Event::End(_) => walk.close()?,
            Event::Text(text) => walk.text(&text.into_inner())?,
            Event::CData(text) => walk.text(&text.into_inner())?,
            Event::GeneralRef(reference) => walk.text(&resolve(&reference)?)?,
            Event::DocType(_) => return Err(Refusal::UnsafeXml),
            Event::Decl(_) | Event::PI(_) | Event::Comment(_) => {}
            Event::Eof => return walk.end(),
        }
    }
}

/// The text of the file, by byte order mark, by its first character, or as its declaration says.
fn decode(bytes: &[u8]) -> Result<Cow<'_, str>, Refusal> {
    let (encoding, body) = match Encoding::for_bom(bytes) {
        Some((encoding, length)) => (encoding, &bytes[length..]),
        None if bytes.starts_with(b"<\0") => (UTF_16LE, bytes),
        None if bytes.starts_with(b"\0<") => (UTF_16BE, bytes),
        None => (declared(bytes)?, bytes),
    };
    let text =
        encoding.decode_without_bom_handling_and_without_replacement(body).ok_or(Refusal::BrokenXml)?;
    if text.bytes().any(|byte| byte < b' ' && !matches!(byte, b'\t' | b'\n' | b'\r')) {
        return Err(Refusal::BrokenXml);
    }
    if text.trim().is_empty() { Err(Refusal::EmptyFile) } else { Ok(text) }
}

fn declared(bytes: &[u8]) -> Result<&'static Encoding, Refusal> {
    let declaration = bytes.trim_ascii_start().strip_prefix(b"<?xml").unwrap_or_default();
    let end = declaration.iter().take(200).position(|byte| *byte == b'>').unwrap_or(0);
    let label = std::str::from_utf8(&declaration[..end])
        .ok()
        .and_then(|text| text.split_once("encoding"))
        .and_then(|(_, rest)| rest.split(['"', '\'']).nth(1));
    match label.map(|label| Encoding::for_label(label.as_bytes())) {
        None => Ok(UTF_8),
        // Programs that build the text in memory declare UTF-16 and save something else. This was legible byte by byte.
        Some(Some(encoding)) if encoding == UTF_16LE || encoding == UTF_16BE => Ok(UTF_8),
        Some(Some(encoding)) if encoding == UTF_8 || encoding.is_single_byte() => Ok(encoding),
        Some(_) => Err(Refusal::UnknownEncoding),
    }
}

/// The version that some programs write beside the root instead of into the header.
fn stated_version(root: &BytesStart<'_>) -> Option<u16> {
    let is_version = |name: &str| name.eq_ignore_ascii_case("CTFversion");
    let mut attributes = root.attributes();
    let version =
        attributes.with_checks(false).flatten().find(|it| is_version(it.key.local_name().as_ref()))?;
    major(&version.value)
}

/// 25 of `25.0`.
fn major(version: &str) -> Option<u16> {
    version.trim().split('.').next()?.parse().ok()
}

/// Attributes say nothing that we take in, but an entity may hide in them.
fn check_attributes(start: &BytesStart<'_>) -> Result<(), Refusal> {
    // The check for names used twice compares each with each.
    for attribute in start.attributes().with_checks(false) {
        let attribute = attribute.map_err(|_| Refusal::BrokenXml)?;
        unescape(&attribute.value).map_err(|_| Refusal::UnsafeXml)?;
    }
    Ok(())
}

/// One of the five predefined entities or a character by its number; no other entity is ever needed.
fn resolve(reference: &BytesRef<'_>) -> Result<Cow<'static, str>, Refusal> {
    match reference.resolve_char_ref() {
        Ok(Some(letter)) if letter >= ' ' || letter.is_ascii_whitespace() => Ok(letter.to_string().into()),
        Ok(None) => resolve_predefined_entity(reference).map(Cow::Borrowed).ok_or(Refusal::UnsafeXml),
        _ => Err(Refusal::BrokenXml),
    }
}

/// What an element is to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Element {
    /// The file.
    File,
    /// Its header.
    Header,
    /// When the source wrote it.
    DateTime,
    /// The format's version.
    Version,
    /// All pupils.
    Pupils,
    /// One pupil.
    Pupil,
    /// A group of a pupil's facts.
    PupilPart,
    /// A pupil's contacts.
    Contacts,
    /// One of them.
    Contact,
    /// A group of a contact's facts.
    ContactPart,
    /// A contact's number with its kind.
    Phone,
    /// The kind.
    PhoneKind,
    /// The number.
    PhoneNumber,
    /// A fact: the text of the element, and of each element below.
    Fact(Place),
    /// Left behind, with everything below.
    Left,
}

/// An element that is open.
#[derive(Clone, Copy)]
struct Frame {
    element: Element,
    /// How long the path was outside of it.
    outside: usize,
    /// Which of the pupil's contacts it belongs to.
    contact: usize,
}

type Cells = Vec<(Place, String)>;

/// The way through the file: what is open, and what was read of the pupil so far.
struct Walk<'i, 'a> {
    intake: &'i mut Intake<'a>,
    /// What elements are by their path, each found out once.
    known: HashMap<String, Element>,
    names: Names,
    open: Vec<Frame>,
    path: String,
    text: String,
    /// The pupil's place in the file, from 1.
    row: u32,
    pupil: Cells,
    contacts: Vec<Cells>,
    /// The kind and number of a phone.
    phone: (String, String),
    /// More parts than a record may have.
    overfull: bool,
    ended: bool,
    version: Option<u16>,
}

impl<'i, 'a> Walk<'i, 'a> {
    fn new(intake: &'i mut Intake<'a>) -> Self {
        Self {
            intake,
            known: HashMap::new(),
            names: Names::new(|| ELEMENTS.to_vec()),
            open: Vec::new(),
            path: String::new(),
            text: String::new(),
            row: 0,
            pupil: Vec::new(),
            contacts: Vec::new(),
            phone: Default::default(),
            overfull: false,
            ended: false,
            version: None,
        }
    }

    fn open(&mut self, name: &str) -> Result<(), Refusal> {
        if self.ended || self.open.len() == MAX_DEPTH {
            return Err(Refusal::BrokenXml);
        }
        let before = std::mem::take(&mut self.text);
        if let Some(Frame { element: Element::Fact(place), contact, .. }) = self.open.last().copied() {
            self.fact(contact, place, before);
        }
        let outside = self.path.len();
        let (mut element, mut contact) = match self.open.last() {
            None if ["ctfile", "ctf"].iter().any(|root| name.eq_ignore_ascii_case(root)) => {
                (Element::File, 0)
            }
            None => return Err(Refusal::BrokenXml),
            // Whether it is the pupil's address is no part of it.
            Some(Frame { element: Element::Fact(_), .. }) if name.eq_ignore_ascii_case("AddressAsPupil") => {
                (Element::Left, 0)
            }
            Some(Frame { element: element @ (Element::Fact(_) | Element::Left), contact, .. }) => {
                (*element, *contact)
            }
            Some(Frame { element, contact, .. }) => {
                let (parent, contact) = (*element, *contact);
                if !self.path.is_empty() {
                    self.path.push('/');
                }
                self.path.push_str(&self.names.shown(name));
                (self.recognise(parent, name), contact)
            }
        };
        match element {
            // Paths begin at the pupil, where the office knows its way.
            Element::Pupils => self.path.clear(),
            Element::Pupil => {
                self.row += 1;
                self.pupil.clear();
                self.contacts.clear();
            }
            Element::Contact if self.contacts.len() < MAX_PARTS => {
                contact = self.contacts.len();
                self.contacts.push(Vec::new());
            }
            Element::Contact => {
                self.overfull = true;
                element = Element::Left;
            }
            Element::Phone => self.phone = Default::default(),
            _ => {}
        }
        self.open.push(Frame { element, outside, contact });
        Ok(())
    }

    fn text(&mut self, text: &str) -> Result<(), Refusal> {
        match self.open.last() {
            None if !text.trim().is_empty() => return Err(Refusal::BrokenXml),
            None | Some(Frame { element: Element::Left, .. }) => {}
            Some(_) => {
                let mut room = MAX_TEXT.saturating_sub(self.text.len()).min(text.len());
                while !text.is_char_boundary(room) {
                    room -= 1;
                }
                self.text.push_str(&text[..room]);
            }
        }
        Ok(())
    }

    fn close(&mut self) -> Result<(), Refusal> {
        let frame = self.open.pop().ok_or(Refusal::BrokenXml)?;
        match frame.element {
            Element::Fact(place) => {
                let text = std::mem::take(&mut self.text);
                self.fact(frame.contact, place, text);
            }
            Element::PhoneKind => self.phone.0 = self.text.trim().to_ascii_uppercase(),
            Element::PhoneNumber => self.phone.1 = std::mem::take(&mut self.text),
            Element::Phone => self.phone(frame.contact),
            Element::DateTime => was_exported(self.intake, &self.text, None),
            Element::Version => self.version = major(&self.text).or(self.version),
            Element::Pupil => self.hand_over()?,
            _ => {}
        }
        self.text.clear();
        self.path.truncate(frame.outside);
        self.ended = self.open.is_empty();
        Ok(())
    }

    fn end(self) -> Result<Option<u16>, Refusal> {
        if self.ended { Ok(self.version) } else { Err(Refusal::BrokenXml) }
    }

    /// What the element at the path is.
    fn recognise(&mut self, parent: Element, name: &str) -> Element {
        if let Some(element) = self.known.get(&self.path) {
            return *element;
        }
        let full = self.known.len() >= MAX_NAMES;
        let label = if full { "*" } else { &self.path };
        let element = match meaning(parent, &name.to_ascii_lowercase()) {
            Meaning::Is(element) => element,
            Meaning::Tells(column) => {
                self.intake.place(0, label, column).map_or(Element::Left, Element::Fact)
            }
        };
        if !full {
            self.known.insert(self.path.clone(), element);
        }
        element
    }

    fn fact(&mut self, contact: usize, place: Place, text: String) {
        let protects = matches!(place.column.field, Field::Restricted | Field::Deceased);
        let is_silent = match place.column.field {
            // Of several, one that says yes counts.
            _ if protects => !cell::restricted(&text),
            // What stands in for a number that the pupil does not have yet.
            Field::Upn => text.trim_start().get(..4).is_some_and(|start| start.eq_ignore_ascii_case("temp")),
            _ => text.trim().is_empty(),
        };
        let cells = match place.column.role {
            Role::Pupil => Some(&mut self.pupil),
            _ => self.contacts.get_mut(contact),
        };
        let Some(cells) = cells.filter(|_| !is_silent) else { return };
        let is_first = || cells.iter().all(|(other, _)| other.column != place.column);
        if cells.len() < MAX_PARTS || protects && is_first() {
            cells.push((place, text));
        } else {
            self.overfull = true;
        }
    }

    /// A number, in the column that its kind says: home, work, alternative and daytime numbers are landlines unless they turn out
    /// to be mobiles; a fax reaches nobody. Without a kind it counts as a mobile, which its digits may refute.
    fn phone(&mut self, contact: usize) {
        let (kind, number) = std::mem::take(&mut self.phone);
        let number = if number.is_empty() { std::mem::take(&mut self.text) } else { number };
        if number.trim().is_empty() {
            return;
        }
        let (field, suffix) = match kind.as_str() {
            "M" => (Some(Field::Mobile), "[M]"),
            "H" => (Some(Field::Landline), "[H]"),
            "W" => (Some(Field::Landline), "[W]"),
            "A" => (Some(Field::Landline), "[A]"),
            "D" => (Some(Field::Landline), "[D]"),
            "F" => (None, "[F]"),
            _ => (Some(Field::Mobile), ""),
        };
        let label = format!("{}{suffix}", self.path);
        let column = field.map(|field| Column { role: Role::Contact, field });
        if let Some(place) = self.intake.place(0, &label, column) {
            self.fact(contact, place, number);
        }
    }

    /// Hands the pupil over, once for each contact.
    fn hand_over(&mut self) -> Result<(), Refusal> {
        if std::mem::take(&mut self.overfull) {
            self.intake.find(self.row, "Pupil", Code::RecordInvalid);
        }
        let mut row: Vec<(Place, &str)> = Vec::new();
        row.extend(self.pupil.iter().map(|(place, text)| (*place, text.as_str())));
        let own = row.len();
        let contacts = self.contacts.iter().filter(|cells| !cells.is_empty());
        let mut alone = true;
        for contact in contacts {
            row.truncate(own);
            row.extend(contact.iter().map(|(place, text)| (*place, text.as_str())));
            self.intake.record(self.row, row.clone())?;
            alone = false;
        }
        if alone { self.intake.record(self.row, row) } else { Ok(()) }
    }
}

/// What the format says about an element.
enum Meaning {
    Is(Element),
    /// It holds a fact; none that we know where there is no column.
    Tells(Option<Column>),
}

/// The elements by what they stand in, in the DfE's words and in those of programs that write nearly the same.
///
/// E-mail address and numbers beside a pupil's name are nobody's for certain: some programs put a parent's there, and no
/// contact says so. A former UPN joins what an adoption was to keep apart. Neither is taken in.
fn meaning(parent: Element, name: &str) -> Meaning {
    let tells = |role, field| Meaning::Tells(Some(Column { role, field }));
    match (parent, name) {
        (Element::File, "header") => Meaning::Is(Element::Header),
        (Element::Header, "datetime") => Meaning::Is(Element::DateTime),
        (Element::Header, "ctfversion") => Meaning::Is(Element::Version),
        // The schools: nothing about a family.
        (Element::Header, _) => Meaning::Is(Element::Left),
        (Element::File, "ctfpupildata" | "pupils") => Meaning::Is(Element::Pupils),
        (Element::File | Element::Pupils, "pupil") => Meaning::Is(Element::Pupil),
        (Element::Pupil, "basicdetails") => Meaning::Is(Element::PupilPart),
        (Element::Pupil, "contacts") => Meaning::Is(Element::Contacts),
        (Element::Pupil | Element::Contacts, "contact" | "contactdetails") => Meaning::Is(Element::Contact),
        (Element::Contact, "contactdetails" | "phones") => Meaning::Is(Element::ContactPart),
        (Element::ContactPart, "phones") => Meaning::Is(Element::ContactPart),
        // `ContactDetails` around all of them.
        (Element::Contact, "contact") => Meaning::Is(Element::Contact),
        (Element::Contact | Element::ContactPart, "phone" | "phonenumber") => Meaning::Is(Element::Phone),
        (Element::Phone, "telephonetype" | "phonetype") => Meaning::Is(Element::PhoneKind),
        (Element::Phone, "phoneno" | "phonenumber" | "number") => Meaning::Is(Element::PhoneNumber),
        (Element::Pupil | Element::PupilPart, _) => match name {
            "upn" => tells(Role::Pupil, Field::Upn),
            "forename" | "givenname" => tells(Role::Pupil, Field::GivenName),
            "surname" | "familyname" => tells(Role::Pupil, Field::FamilyName),
            "preferredforename" => tells(Role::Pupil, Field::PreferredGivenName),
            "preferredsurname" => tells(Role::Pupil, Field::PreferredFamilyName),
            "formersurname" => tells(Role::Pupil, Field::FormerFamilyName),
            "dob" | "dateofbirth" => tells(Role::Pupil, Field::DateOfBirth),
            "gender" | "sex" => tells(Role::Pupil, Field::Gender),
            "ncyearactual" | "yeargroup" => tells(Role::Pupil, Field::YearGroup),
            "reggroup" | "registrationgroup" => tells(Role::Pupil, Field::Class),
            "address" | "addressdetails" => tells(Role::Pupil, Field::Address),
            _ => {
                Meaning::Tells(protecting(Role::Pupil, name).map(|field| Column { role: Role::Pupil, field }))
            }
        },
        (Element::Contact | Element::ContactPart, _) => match name {
            "order" | "priority" => tells(Role::Contact, Field::Priority),
            "title" => tells(Role::Contact, Field::Title),
            "forename" | "givenname" => tells(Role::Contact, Field::GivenName),
            "surname" | "familyname" => tells(Role::Contact, Field::FamilyName),
            "gender" | "sex" => tells(Role::Contact, Field::Gender),
            "relationship" | "relationshipcode" => tells(Role::Contact, Field::Relationship),
            "responsibility" | "parentalresponsibility" => {
                tells(Role::Contact, Field::ParentalResponsibility)
            }
            "email" => tells(Role::Contact, Field::Email),
            "address" | "addressdetails" => tells(Role::Contact, Field::Address),
            _ => Meaning::Tells(
                protecting(Role::Contact, name).map(|field| Column { role: Role::Contact, field }),
            ),
        },
        _ => Meaning::Tells(None),
    }
}

#[cfg(test)]
#[path = "ctf_tests.rs"]
mod tests;
