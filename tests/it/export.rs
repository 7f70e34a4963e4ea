//! What schools' systems write, in memory: one school of small families in every format.

use std::{
    fmt::Write as _,
    io::{Cursor, Write},
};

use jiff::civil::{Date, date};
use serde_json::{Value, json};
use zip::{ZipWriter, write::SimpleFileOptions};

use crate::{
    parents::address,
    sheet::{HEADER, Sheet},
    world::{World, new_school},
};

/// What the agreement of a school lists that takes in everything the formats can say.
fn everything() -> Value {
    let pupil = json!([
        "given_name",
        "family_name",
        "preferred_given_name",
        "source_id",
        "upn",
        "year_group",
        "class",
        "groups",
        "date_of_birth",
        "start_date",
        "leaving_date",
    ]);
    let contact = json!([
        "title",
        "given_name",
        "family_name",
        "source_id",
        "relationship",
        "email",
        "mobile",
        "landline",
        "priority",
        "parental_responsibility",
        "restricted",
    ]);
    let staff = json!(["title", "given_name", "family_name", "source_id", "email", "mobile"]);
    json!({"pupil": pupil, "contact": contact, "staff": staff})
}

/// A school with that agreement, and a name of its own by which its codes are found.
pub async fn school() -> World {
    let mut described = new_school();
    described["name"] = json!(format!("School {}.", address()));
    described["agreement"]["fields"] = everything();
    World::with(&described).await
}

/// A right unique pupil number.
pub fn upn(n: usize) -> String {
    let digits = format!("8012000{n:05}");
    let sum: usize = digits.bytes().zip(2..).map(|(digit, place)| usize::from(digit - b'0') * place).sum();
    format!("{}{digits}", &"ABCDEFGHJKLMNPQRTUVWXYZ"[sum % 23..=sum % 23])
}

/// Rows of cells, the header first.
pub type Rows = Vec<Vec<String>>;

/// A sheet as rows, with more columns.
pub fn rows(sheet: &Sheet, more: &[(&str, Vec<String>)]) -> Rows {
    let header = HEADER.split(',').map(|name| name.trim().to_owned());
    let mut rows = vec![header.collect::<Vec<_>>()];
    rows.extend(sheet.0.iter().map(|row| row.0.to_vec()));
    for (name, cells) in more {
        assert_eq!(cells.len(), sheet.0.len(), "one cell a row");
        rows[0].push((*name).to_owned());
        for (row, cell) in rows[1..].iter_mut().zip(cells) {
            row.push(cell.clone());
        }
    }
    rows
}

/// A column of one text.
pub fn column(sheet: &Sheet, text: &str) -> Vec<String> {
    vec![text.to_owned(); sheet.0.len()]
}

/// Rows as delimited text.
pub fn delimited(rows: &Rows, separator: &str, line: &str) -> String {
    rows.iter().map(|row| row.join(separator) + line).collect()
}

/// Rows as the usual CSV.
pub fn csv(rows: &Rows) -> Vec<u8> {
    delimited(rows, ",", "\r\n").into_bytes()
}

/// Files as a zip archive.
pub fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in files {
        writer.start_file(*name, SimpleFileOptions::default()).expect("a new entry");
        writer.write_all(content).expect("memory");
    }
    writer.finish().expect("memory").into_inner()
}

/// What a spreadsheet makes of a cell.
enum Cell<'c> {
    /// A day, which it keeps as a number since 1900.
    Day(Date),
    /// A number: digits lose their zeros.
    Number(f64),
    /// Anything else.
    Text(&'c str),
}

impl<'c> Cell<'c> {
    fn of(text: &'c str) -> Self {
        if let Ok(day) = text.parse() {
            return Self::Day(day);
        }
        match text.parse() {
            Ok(number) if text.bytes().all(|byte| byte.is_ascii_digit()) => Self::Number(number),
            _ => Self::Text(text),
        }
    }
}

/// The number of a day in a spreadsheet.
fn serial(day: Date) -> i32 {
    day.since(date(1899, 12, 30)).expect("both are days").get_days()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

/// Rows as a workbook of Excel.
pub fn xlsx(rows: &Rows) -> Vec<u8> {
    let cell = |text: &String| match Cell::of(text) {
        Cell::Day(day) => format!("<c s=\"1\"><v>{}</v></c>", serial(day)),
        Cell::Number(number) => format!("<c><v>{number}</v></c>"),
        Cell::Text(text) => format!("<c t=\"inlineStr\"><is><t>{}</t></is></c>", escaped(text)),
    };
    let row = |row: &Vec<String>| format!("<row>{}</row>", row.iter().map(cell).collect::<String>());
    let sheet =
        format!("<worksheet><sheetData>{}</sheetData></worksheet>", rows.iter().map(row).collect::<String>());
    let office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
    let relation = |kind: &str, target: &str| {
        format!(
            "<Relationships><Relationship Id=\"r\" Type=\"{office}/{kind}\" Target=\"{target}\"/></Relationships>"
        )
    };
    let workbook = format!(
        "<workbook xmlns:r=\"{office}\"><sheets><sheet name=\"Pupils\" sheetId=\"1\" state=\"visible\" r:id=\"r\"/></sheets></workbook>"
    );
    let styles = "<styleSheet><cellXfs><xf numFmtId=\"0\"/><xf numFmtId=\"14\"/></cellXfs></styleSheet>";
    archive(&[
        (
            "[Content_Types].xml",
            b"<Types xmlns=\"http://schemas.openxmlformats.org/package/2006/content-types\"/>",
        ),
        ("_rels/.rels", relation("officeDocument", "xl/workbook.xml").as_bytes()),
        ("xl/workbook.xml", workbook.as_bytes()),
        ("xl/_rels/workbook.xml.rels", relation("worksheet", "worksheets/sheet1.xml").as_bytes()),
        ("xl/styles.xml", styles.as_bytes()),
        ("xl/worksheets/sheet1.xml", sheet.as_bytes()),
    ])
}

/// Rows as a workbook of `LibreOffice`.
pub fn ods(rows: &Rows) -> Vec<u8> {
    let cell = |text: &String| match Cell::of(text) {
        Cell::Day(day) => format!(
            "<table:table-cell office:value-type=\"date\" office:date-value=\"{day}\"><text:p>{day}</text:p></table:table-cell>"
        ),
        Cell::Number(number) => format!(
            "<table:table-cell office:value-type=\"float\" office:value=\"{number}\"><text:p>{number}</text:p></table:table-cell>"
        ),
        Cell::Text(text) => format!(
            "<table:table-cell office:value-type=\"string\"><text:p>{}</text:p></table:table-cell>",
            escaped(text)
        ),
    };
    let row = |row: &Vec<String>| {
        format!("<table:table-row>{}</table:table-row>", row.iter().map(cell).collect::<String>())
    };
    let content = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><office:document-content><office:automatic-styles/><office:body><office:spreadsheet>\
         <table:table>{}</table:table></office:spreadsheet></office:body></office:document-content>",
        rows.iter().map(row).collect::<String>()
    );
    archive(&[
        ("mimetype", b"application/vnd.oasis.opendocument.spreadsheet"),
        ("content.xml", content.as_bytes()),
        ("META-INF/manifest.xml", b"<manifest:manifest/>"),
    ])
}

/// A compound file, as Office wrote before 2007 and writes what has a password.
pub fn compound(name: &str, stream: &[u8]) -> Vec<u8> {
    let mut file = cfb::CompoundFile::create(Cursor::new(Vec::new())).expect("memory");
    file.create_stream(name).expect("a new stream").write_all(stream).expect("memory");
    file.flush().expect("memory");
    file.into_inner().into_inner()
}

/// Rows as a workbook of old Excel; days stay text.
pub fn xls(rows: &Rows) -> Vec<u8> {
    let short = |number: usize| u16::try_from(number).expect("a small file").to_le_bytes();
    let record = |kind: u16, data: &[u8]| [&kind.to_le_bytes()[..], &short(data.len()), data].concat();
    let begin = |kind: usize| {
        record(
            0x0809,
            &[0x0600, kind, 0, 0, 0, 0, 0, 0].iter().flat_map(|word| short(*word)).collect::<Vec<_>>(),
        )
    };
    let mut sheet = begin(0x10);
    for (row, cells) in rows.iter().enumerate() {
        for (column, text) in cells.iter().enumerate() {
            let at = [short(row), short(column), short(0)].concat();
            sheet.extend(if let Cell::Number(number) = Cell::of(text) {
                record(0x0203, &[&at[..], &number.to_le_bytes()].concat())
            } else {
                let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
                let length = short(text.encode_utf16().count());
                record(0x0204, &[&at[..], &length, &[1], &wide].concat())
            });
        }
    }
    sheet.extend(record(0x000a, &[]));
    let globals = |at: usize| {
        let named =
            [&u32::try_from(at).expect("a small file").to_le_bytes()[..], &[0, 0, 1, 0, b'V']].concat();
        [begin(5), record(0x0085, &named), record(0x000a, &[])].concat()
    };
    let at = globals(0).len();
    compound("/Workbook", &[globals(at), sheet].concat())
}

/// Somebody of a family, for formats that are no sheets.
fn family(n: usize) -> (String, String, String) {
    (format!("Family{n}"), format!("grace{n}@example.com"), format!("07700900{n:03}"))
}

/// The first families and a teacher as a `OneRoster` 1.1 bundle, every record last changed on `day`.
pub fn one_roster(families: usize, day: &str) -> Vec<u8> {
    let mut users = "sourcedId,status,dateLastModified,enabledUser,orgSourcedIds,role,username,userIds,givenName,familyName,\
                     middleName,identifier,email,sms,phone,agentSourcedIds,grades,password\n"
        .to_owned();
    let mut born = "sourcedId,status,dateLastModified,birthDate,sex\n".to_owned();
    let at = if day.is_empty() { String::new() } else { format!("{day}T08:00:00Z") };
    for n in 0..families {
        let (name, email, sms) = family(n);
        let _ = writeln!(users, "P{n:04},,{at},true,o1,student,p{n},,Ada,{name},,,,,,C{n:04},03,");
        let _ = writeln!(users, "C{n:04},,{at},true,o1,parent,c{n},,Grace,{name},,,{email},{sms},,P{n:04},,");
        let _ = writeln!(born, "P{n:04},,{at},2018-05-14,");
    }
    let _ = writeln!(users, "T0001,,{at},true,o1,teacher,t1,,Tess,Teacher,,,tess@example.com,,,,,");
    let manifest = "propertyName,value\nmanifest.version,1.0\noneroster.version,1.1\nfile.users,bulk\nfile.demographics,bulk\n";
    archive(&[
        ("manifest.csv", manifest.as_bytes()),
        ("users.csv", users.as_bytes()),
        ("demographics.csv", born.as_bytes()),
    ])
}

/// The same as a School Data Sync bundle.
pub fn school_data_sync(families: usize) -> Vec<u8> {
    let mut users =
        "sourcedId,username,givenName,familyName,password,activeDirectoryMatchId,email,phone,sms\n"
            .to_owned();
    let mut roles =
        "userSourcedId,orgSourcedId,role,sessionSourcedId,grade,isPrimary,roleStartDate,roleEndDate\n"
            .to_owned();
    let mut ties = "userSourcedId,relationshipUserSourcedId,relationshipRole\n".to_owned();
    let mut born = "userSourcedId,sex,birthDate\n".to_owned();
    for n in 0..families {
        let (name, email, sms) = family(n);
        let _ = writeln!(users, "P{n:04},p{n},Ada,{name},,,,,\nC{n:04},,Grace,{name},,,{email},,{sms}");
        let _ = writeln!(roles, "P{n:04},o1,student,,03,,,");
        let _ = writeln!(ties, "P{n:04},C{n:04},parent");
        let _ = writeln!(born, "P{n:04},,2018-05-14");
    }
    users += "T0001,t1,Tess,Teacher,,,tess@example.com,,\n";
    roles += "T0001,o1,teacher,,,,,\n";
    archive(&[
        ("users.csv", users.as_bytes()),
        ("roles.csv", roles.as_bytes()),
        ("relationships.csv", ties.as_bytes()),
        ("demographics.csv", born.as_bytes()),
    ])
}

/// The same without the teacher as the DfE's Common Transfer File.
pub fn transfer_file(families: usize) -> String {
    let pupil = |n: usize| {
        let (name, email, mobile) = family(n);
        format!(
            "<Pupil><UPN>{}</UPN><Surname>{name}</Surname><Forename>Ada</Forename><DOB>2018-05-14</DOB><BasicDetails><NCyearActual>3</NCyearActual></BasicDetails>\
             <Contacts><Contact><Order>1</Order><Title>Ms</Title><Surname>{name}</Surname><Forename>Grace</Forename><Relationship>PAM</Relationship>\
             <Responsibility>true</Responsibility><Phones><Phone><TelephoneType>M</TelephoneType><PhoneNo>{mobile}</PhoneNo></Phone></Phones>\
             <Email>{email}</Email></Contact></Contacts></Pupil>",
            upn(n)
        )
    };
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><CTfile><Header><DocumentName>Common Transfer File</DocumentName><CTFversion>25.0</CTFversion></Header>\
         <CTFpupilData>{}</CTFpupilData></CTfile>",
        (0..families).map(pupil).collect::<String>()
    )
}

/// A pupil of Wonde's with their mother: the pupil's id, what Wonde calls them whatever the system, and the mother's.
pub fn wonde_pupil(n: usize, id: &str, upi: &str, restored: bool) -> Value {
    let (name, email, mobile) = family(n);
    let at = |instant: &str| json!({"date": instant, "timezone_type": 3, "timezone": "UTC"});
    json!({
        "id": id, "upi": upi, "surname": name, "forename": "Ada", "legal_surname": name, "legal_forename": "Ada",
        "date_of_birth": at("2018-05-14 00:00:00.000000"), "restored_at": restored.then(|| at("2026-10-01 08:00:00.000000")),
        "created_at": at("2022-06-14 15:42:27.000000"), "updated_at": at("2026-08-20 15:42:27.000000"),
        "education_details": {"data": {"upn": upn(n), "current_nc_year": "3"}},
        "contacts": {"data": [{
            "id": format!("W{n:04}"), "upi": format!("mother{n}"), "title": "Ms", "surname": name, "forename": "Grace",
            "relationship": {"data": {"relationship": "Mother", "parental_responsibility": true, "priority": 1, "court_order": false}},
            "contact_details": {"data": {"phones": {"mobile": mobile}, "emails": {"email": email}}},
        }]},
    })
}

/// Every pupil on one last page.
pub fn wonde(pupils: &[Value]) -> Value {
    json!({"data": pupils, "meta": {"pagination": {
        "next": null, "previous": null, "more": false, "per_page": 50, "current_page": 1,
    }}})
}
