//! The layouts of schools' systems and vendors.

use super::*;

#[test]
fn schoolcomms_has_no_header_and_says_who_everybody_is() {
    let text = "70, Vi, Head, 1A, 1, 2\n71, Ann, Smith, 1B, 1, 1\n72, Ben, Cole, 2A,2,1\n73, Pat, Day, , , 4\n74, Di, Day, , , 6\n";
    let roll = read(text).unwrap();
    assert_eq!(people(&roll, Role::Pupil), ["2 Ann/Smith", "3 Ben/Cole"]);
    assert_eq!(people(&roll, Role::Staff), ["1 Vi/Head"]);
    assert_eq!(findings(&roll), ["4 role_not_agreed", "5 role_unknown"]);
    let (_, ann) = roll.of(Role::Pupil).next().unwrap();
    assert_eq!((ann.value.class.as_deref(), ann.value.year_group.as_deref()), (Some("1B"), Some("1")));
    assert_eq!(ann.value.source_ids[0].id, "71");
}

/// Where the samples are there: what the vendors' templates give.
#[test]
fn samples_of_vendors_templates_are_known() {
    for (name, bytes) in samples("vendor-templates") {
        let agreement = agreement();
        let mut intake = Intake::new(&agreement, date(2026, 11, 22));
        let table = Delimited::open(&bytes).unwrap();
        let read =
            super::super::read(&table, &Mapping::default(), &mut intake).and_then(|()| intake.finish());
        let given = read.map(|roll| {
            (people(&roll, Role::Pupil).len(), people(&roll, Role::Staff).len(), findings(&roll))
        });
        let expected = match name.as_str() {
            "schoolcomms_headerless.csv" => Ok((2, 3, vec![])),
            // Not a table, but a text about them.
            "SOURCE.txt" => continue,
            // A header and nothing below.
            _ => Err(Refusal::HeaderOnly),
        };
        assert_eq!(given, expected, "{name}");
    }
}

#[test]
fn a_file_in_the_shape_of_the_template_needs_no_header() {
    let text = "Ann,Smith,1,3,3A,27/01/2019,F,Mother,Mrs,Jo,Smith,9,jo@example.com,07700900123,,1,High St,,Town,,ZZ1 1ZZ,1\n\
                Ben,Cole,2,3,3A,03/04/2019,M,,,,,,,,,,,,,,,\n";
    let roll = read(text).unwrap();
    assert_eq!(people(&roll, Role::Pupil), ["1 Ann/Smith", "2 Ben/Cole"]);
    assert_eq!(people(&roll, Role::Contact), ["1 Jo/Smith jo@example.com +447700900123"]);
    assert_eq!(
        (born(&roll), findings(&roll), roll.dropped_columns),
        (vec!["2019-01-27".to_owned(), "2019-04-03".to_owned()], vec![], 8)
    );
    let other = text.replace("27/01/2019", "Oak").replace("03/04/2019", "Elm");
    assert_eq!(read(&other).map(|_| ()), Err(Refusal::NoPupilColumn));
}

#[test]
fn school_booking_names_pupil_and_contact_alike() {
    let text = "ID,Forename,Surname,ID,(Contact) Priority,Parental responsibility,Lives with Pupil,Title,Forename,Surname,(Contact) Home Email,Main Telephone,Primary Email,Mobile number,ID,(Class) Class Name\n\
                1,Ann,Smith,9,1,T,T,Mrs,Jo,Jones,jo@example.com,01632960123,jo2@example.com,07700900123,77,3A\n\
                1,Ann,Smith,8,2,F,F,Mr,Al,Smith,,,,07700900124,77,3A\n";
    let roll = read(text).unwrap();
    assert_eq!(people(&roll, Role::Pupil), ["2 Ann/Smith"]);
    assert_eq!(
        people(&roll, Role::Contact),
        ["2 Jo/Jones jo@example.com jo2@example.com +447700900123 +441632960123", "3 Al/Smith +447700900124"]
    );
    let (_, ann) = roll.of(Role::Pupil).next().unwrap();
    assert_eq!((ann.value.class.as_deref(), ann.value.source_ids[0].id.as_str()), (Some("3A"), "1"));
    let mut told: Vec<_> =
        links(&roll).iter().map(|link| (link.priority, link.parental_responsibility)).collect();
    told.sort_by_key(|(priority, _)| *priority);
    assert_eq!(told, [(Some(1), Responsibility::Yes), (Some(2), Responsibility::No)]);
    assert_eq!(findings(&roll), ["1 O column_twice"]);
    // A forename that stands twice is no contact's where there is none.
    assert_eq!(
        people(&read("Forename,Surname,Forename,Surname\nAnn,Smith,Jo,Jones\n").unwrap(), Role::Contact)
            .len(),
        0
    );
}

#[test]
fn a_column_that_says_only_whose_it_is_holds_the_name() {
    for (first, second) in [("Parent 1", "Parent 2"), ("Mother", "Father's"), ("Contact1", "Contact 2")] {
        let text = format!(
            "Pupil name,Year,{first},{first} email,{second},{second} mobile\nAnn Smith,3,Mrs J Smith,j@example.com,Al Jones,07700900124\n"
        );
        let roll = read(&text).unwrap();
        assert_eq!(
            people(&roll, Role::Contact),
            ["2 Al/Jones +447700900124", "2 J/Smith j@example.com"],
            "{first}"
        );
        assert_eq!((findings(&roll), roll.dropped_columns), (vec![], 0), "{first}");
    }
    // Of somebody of whom nothing else is told, or who has a name already, nobody knows what it says.
    for text in [
        "Pupil name,Year,Mother\nAnn Smith,3,yes\n",
        "Pupil name,Parent 1,Parent 1 name,Parent 1 email\nAnn Smith,x,Jo Smith,j@example.com\n",
    ] {
        assert_eq!(read(text).unwrap().dropped_columns, 1, "{text}");
    }
}

#[test]
fn a_column_says_what_each_rows_person_is() {
    let text = "ID,Forename,Surname,Form,DOB,Email,Type,Pupil ID,Relationship,Shoe size\n\
                1,Ann,Smith,3A,27/01/2019,ann@example.com,Student,,,31\n\
                9,Jo,Jones,,,jo@example.com,Parent,1,Mother,\n\
                7,Vi,Head,,,vi@example.com,Teaching Staff,,,\n\
                8,Al,Lone,,,al@example.com,Parent / Carer,,Father,\n\
                6,Di,Chair,,,,Governor,,,\n\
                5,Who,Knows,,,,Visitor,,,\n";
    let roll = read(text).unwrap();
    assert_eq!(people(&roll, Role::Pupil), ["2 Ann/Smith"]);
    assert_eq!(people(&roll, Role::Contact), ["3 Jo/Jones jo@example.com"]);
    assert_eq!(people(&roll, Role::Staff), ["4 Vi/Head vi@example.com"]);
    assert_eq!(links(&roll).iter().map(|link| link.relationship).collect::<Vec<_>>(), [Relationship::Mother]);
    assert_eq!(born(&roll), ["2019-01-27"]);
    assert_eq!(roll.dropped_columns, 1);
    assert_eq!(findings(&roll), ["5 link_unknown", "6 role_not_agreed", "7 role_unknown"]);
    // Without roles in it the column is only one of which nobody knows what it says; and beside a contact's name, it is about the tie.
    let other = read("Forename,Surname,Type\nAnn,Smith,Day pupil\n").unwrap();
    assert_eq!((people(&other, Role::Pupil), findings(&other)), (vec!["2 Ann/Smith".to_owned()], vec![]));
    let pairs = "Forename,Surname,Contact Forename,Contact Surname,Contact type\nAnn,Smith,Jo,Jones,Parent\n";
    let pairs = read(pairs).unwrap();
    assert_eq!((people(&pairs, Role::Pupil).len(), people(&pairs, Role::Contact).len()), (1, 1));
}

#[test]
fn a_row_above_the_header_says_whose_the_names_are() {
    let rows =
        "1,Ann,Smith,3A,Jo,Jones,07700900123,Al,Smith,07700900124\n2,Ben,Cole,3A,Di,Cole,07700900125,,,\n";
    let names = "Admission No,Forename,Surname,Reg,Forename,Surname,Mobile,Forename,Surname,Mobile\n";
    for banner in [
        "Pupil,,,,Contact 1,,,Contact 2,,\n",
        "Pupil,,,,Contact 1,,,Contact 2\n",
        "Student details,,,,Contact 1 details,,,Contact 2 Details,,\n",
        ",,,,Mother,,,Father,,\n",
    ] {
        let roll = read(&format!("Oakfield Primary\n{banner}{names}{rows}")).unwrap();
        assert_eq!(people(&roll, Role::Pupil), ["4 Ann/Smith", "5 Ben/Cole"], "{banner}");
        assert_eq!(
            people(&roll, Role::Contact),
            ["4 Al/Smith +447700900124", "4 Jo/Jones +447700900123", "5 Di/Cole +447700900125"],
            "{banner}"
        );
        assert_eq!(
            (findings(&roll), roll.dropped_columns),
            (vec!["1 row_skipped".to_owned()], 0),
            "{banner}"
        );
    }
    // A title is no banner, and a header that repeats nothing needs none.
    for banner in ["Contacts,,,,,,,,,\n", "Contact 1,,,,,,,,,Contact 2\n"] {
        let text = format!(
            "{banner}Admission No,Forename,Surname,Reg,Contact 1 Forename,Contact 1 Surname,Contact 1 Mobile,Contact 2 Forename,Contact 2 Surname,Contact 2 Mobile\n{rows}"
        );
        let roll = read(&text).unwrap();
        assert_eq!(
            (people(&roll, Role::Pupil).len(), people(&roll, Role::Contact).len()),
            (2, 3),
            "{banner}"
        );
        assert_eq!(findings(&roll), ["1 row_skipped"], "{banner}");
    }
}

#[test]
fn one_row_a_pupil_with_several_contacts() {
    for (header, row) in [
        (
            "Forename,Surname,Contact1FirstName,Contact1Surname,Contact1Phone,Contact2FirstName,Contact2Surname,Contact2Phone,Contact3FirstName,Contact3Surname,Contact3Phone",
            "Ann,Smith,Jo,Jones,07700900123,Al,Smith,07700900124,,,",
        ),
        (
            "Forename,Surname,Parent 1 Name,Parent 1 Mobile,Parent 2 Name,Parent 2 Mobile",
            "Ann,Smith,\"Jones, Mrs Jo\",07700900123,Mr Al Smith,07700900124",
        ),
        (
            "Forename,Surname,Contact Forename,Contact Surname,Contact Mobile,Contact Forename 2,Contact Surname 2,Contact Mobile 2",
            "Ann,Smith,Jo,Jones,07700900123,Al,Smith,07700900124",
        ),
        (
            "Forename,Surname,Mother Name,Mother Mobile,Father Name,Father Mobile",
            "Ann,Smith,Jo Jones,07700900123,Al Smith,07700900124",
        ),
    ] {
        let roll =
            read(&format!("{header}\n{row}\nBen,Cole{}\n", ",".repeat(header.matches(',').count() - 1)))
                .unwrap();
        assert_eq!(people(&roll, Role::Pupil), ["2 Ann/Smith", "3 Ben/Cole"], "{header}");
        assert_eq!(
            people(&roll, Role::Contact),
            ["2 Al/Smith +447700900124", "2 Jo/Jones +447700900123"],
            "{header}"
        );
        assert_eq!((roll.rows, findings(&roll), roll.dropped_columns), (2, vec![], 0), "{header}");
        let expected = if header.contains("Mother") {
            [Relationship::Mother, Relationship::Father]
        } else {
            [Relationship::Unknown; 2]
        };
        assert!(
            expected.iter().all(|one| links(&roll).iter().any(|link| link.relationship == *one)),
            "{header}"
        );
    }
    // A restriction that does not say of whom holds for everybody; a number that does not say whose is nobody's.
    let roll = read("Forename,Surname,Court order,Home phone,Contact1Forename,Contact2Forename\nAnn,Smith,Y,01632960123,Jo,Al\n").unwrap();
    assert!(links(&roll).iter().all(|link| link.restricted) && links(&roll).len() == 2);
    assert_eq!(people(&roll, Role::Contact), ["2 Al/", "2 Jo/"]);
    assert_eq!(roll.dropped_columns, 1);
    // What the agreement does not list is not implied either.
    let mut narrow = agreement();
    narrow.fields.get_mut(&Role::Contact).unwrap().remove(&Field::Relationship);
    let roll =
        read_with("Forename,Surname,Mother Email\nAnn,Smith,jo@example.com\n", &Mapping::default(), &narrow)
            .unwrap();
    assert_eq!((links(&roll)[0].relationship, roll.dropped_columns), (Relationship::Unknown, 0));
}

#[test]
fn names_beyond_forename_and_surname() {
    let roll =
        read("Legal Forename,Legal Surname,Forename,Surname,Former Surname\nAnnabel,Smith,Ann,Jones,Cole\n")
            .unwrap();
    let (_, ann) = roll.of(Role::Pupil).next().unwrap();
    let preferred = ann.value.preferred_name.as_ref().unwrap();
    assert_eq!(
        (ann.value.name.expose(), preferred.expose()),
        ("Annabel Smith".to_owned(), "Ann Jones".to_owned())
    );
    assert_eq!(ann.value.former_family_name.as_deref(), Some("Cole"));
    for (name, parts) in [
        ("Smith, Ann", ("Ann", "Smith")),
        ("Smith, Mrs Ann Jo", ("Ann Jo", "Smith")),
        ("Ann Smith", ("Ann", "Smith")),
        ("Mary Ann Smith", ("Mary Ann", "Smith")),
        ("Anna van der Berg", ("Anna", "van der Berg")),
        ("Mrs A. Smith", ("A.", "Smith")),
        ("Mrs Smith", ("", "Smith")),
        ("Mr & Mrs Smith", ("", "Smith")),
        ("Ann", ("Ann", "")),
        ("Mrs", ("Mrs", "")),
        ("de Souza", ("", "de Souza")),
        ("  ", ("", "")),
        (",", ("", "")),
    ] {
        let (given, family) = cell::whole_name(name);
        assert_eq!((given.trim(), family.trim()), parts, "{name}");
    }
    assert_eq!(pupils("Name,Class\n\"Smith, Ann\",3A\nBen Cole,3A\n"), ["2 Ann/Smith", "3 Ben/Cole"]);
    assert_eq!(pupils("Name,Surname\nAnn,Smith\n"), ["2 Ann/Smith"]);
}

#[test]
fn colleagues_have_columns_of_their_own() {
    let roll = read("Staff code,Staff forename,Staff surname,Staff email,Governor email\nX1,Vi,Head,vi@example.com,g@example.com\n").unwrap();
    assert_eq!(people(&roll, Role::Staff), ["2 Vi/Head vi@example.com"]);
    assert_eq!((people(&roll, Role::Governor).len(), roll.dropped_columns), (0, 1));
}

#[test]
fn names_beside_a_title_are_no_pupils_until_something_says_so() {
    for (header, is_of_pupils) in [
        ("Title,Forename,Surname,Email", false),
        ("ID,Title,Name,Mobile,Town", false),
        ("Title,Forename,Surname,Start date,Telephone", false),
        ("Forename,Surname", true),
        ("Forename,Surname,Email", true),
        ("Title,Forename,Surname,Year,Email", true),
        ("Title,Admission number,Forename,Surname,Email", true),
        ("Title,Pupil forename,Pupil surname,Email", true),
        ("Forename,Surname,Title,Contact surname,Email", true),
        ("Forename,Surname,Title,Priority,Email", true),
    ] {
        let row = vec!["Ann"; header.split(',').count()].join(",");
        let read = read(&format!("{header}\n{row}\n"));
        let refused = read.as_ref().err() == Some(&Refusal::NoPupilColumn);
        assert_eq!((read.is_ok(), refused), (is_of_pupils, !is_of_pupils), "{header}: {read:?}");
    }
}

#[test]
fn a_schools_own_names_beat_ours() {
    let column = |role, field| Mapped::Column(Column { role, field });
    let mapping: Mapping = [
        ("Kid", column(Role::Pupil, Field::GivenName)),
        ("Tribe", column(Role::Pupil, Field::FamilyName)),
        ("Email", Mapped::Ignore),
        ("House", column(Role::Pupil, Field::Class)),
    ]
    .into_iter()
    .collect();
    let text = "Class,House,KID,Tribe,E-mail,Forename\n3A,Oak,Ann,Smith,a@example.com,Wrong\n";
    let roll = read_with(text, &mapping, &agreement()).unwrap();
    assert_eq!(people(&roll, Role::Pupil), ["2 Ann/Smith"]);
    assert_eq!(roll.of(Role::Pupil).next().unwrap().1.value.class.as_deref(), Some("Oak"));
    assert_eq!(
        (people(&roll, Role::Contact).len(), findings(&roll)),
        (0, vec!["1 A column_twice".to_owned(), "1 F column_twice".to_owned()])
    );
}

#[test]
fn columns_of_the_known_systems() {
    for (header, row) in [
        ("Forename,Surname,Year,Reg,UPN", "Ann,Smith,3,3A,B801200005001"),
        ("First name,Last name,Year group,Registration form", "Ann,Smith,3,3A"),
        ("FirstName,LastName,YearGroup,Form,StudentEmail", "Ann,Smith,3,3A,ann@example.com"),
        ("Adno,Legal Surname,Legal Forename,Reg Group,NC Year", "7,Smith,Ann,3A,3"),
        (
            "Pupil ID,Pupil First Name,Pupil Last Name,Contact First Name,Contact Last Name,Contact ID,Phone,Mobile,Priority,Email",
            "1,Ann,Smith,Jo,Jones,9,,07700900123,1,a@example.com",
        ),
    ] {
        let roll = read(&format!("{header}\n{row}\n")).unwrap();
        assert_eq!(people(&roll, Role::Pupil), ["2 Ann/Smith"], "{header}");
        assert!(roll.findings.iter().all(|finding| finding.code == "column_not_agreed"), "{header}");
    }
}
