//! Are recorded calls read as they stand, from CSV and from Parquet, and is every bad row told?

use std::{fs::File, io::Seek as _, sync::Arc};

use panelboard_lab::{CallReader, CallsRead, Column, RecordedCall, Recorder, Unfit};
use parquet::{
    basic::{Compression, LogicalType, Repetition, TimeUnit, Type},
    data_type::{ByteArray, ByteArrayType, DoubleType, Int32Type, Int64Type},
    file::{properties::WriterProperties, writer::SerializedFileWriter},
    schema::types::Type as SchemaType,
};
use proptest::prelude::*;

fn csv(text: &str) -> Result<CallsRead, String> {
    CallReader::default().csv("c.csv", text.as_bytes()).map_err(|said| said.to_string())
}

const HEAD: &str = "time,key,duration_ms,outcome\n";

#[test]
fn moments_are_read_in_every_form_and_mean_the_same() {
    let moments = [
        "1790000000.25",
        "1790000000250",
        "1790000000250000",
        "1790000000250000000",
        "2026-09-21T14:13:20.25Z",
        "2026-09-21T16:13:20.25+02:00",
        "2026-09-21 14:13:20.250000Z",
    ];
    let read = |moment: &str| {
        csv(&format!("{HEAD}{moment},a,1,ok\n")).unwrap_or_else(|said| panic!("{said}")).recording
    };
    let expected = read(moments[0]);
    for moment in moments {
        assert!(read(moment) == expected, "{moment}");
    }
    assert!(read("1790000000.250001") != expected, "to the microsecond");
}

#[test]
fn durations_are_read_by_the_unit_of_their_header_or_their_own() {
    let rows = [
        ("duration_s", "0.25"),
        ("duration_ms", "250"),
        ("latency_us", "250000"),
        ("elapsed_ns", "250000000"),
        ("duration", "250"),
        ("Duration_S", "250ms"),
    ];
    let read = |header: &str, value: &str| {
        csv(&format!("time,key,{header},outcome\n5,a,{value},ok\n")).unwrap().recording
    };
    for (header, value) in rows {
        assert!(read(header, value) == read("duration_us", "250000"), "{header} {value}");
    }
}

#[test]
fn columns_have_other_names_and_others_beside_them_are_left_alone() {
    let text = "x,status,provider,ts,latency,model,ttfb_ms\n?,503,p,5,20,m,3\n?,200,p,6,20,m,\n";
    let read = csv(text).unwrap();
    assert_eq!((read.recording.calls(), read.rows), (2, 2));
    let text = "when,who,how long,what\n5,a,3,ok\n";
    let reader = CallReader::default()
        .column(Column::Time, "when")
        .column(Column::Key, "who")
        .column(Column::Duration, "how long")
        .column(Column::Outcome, "what");
    assert_eq!(reader.csv("c.csv", text.as_bytes()).unwrap().recording.calls(), 1);
}

#[test]
fn rejected_calls_other_keys_and_other_models_are_counted_and_left_out() {
    let text = "time,key,duration,outcome,model\n1,a,3,ok,m\n2,a,,rejected,m\n3,b,3,ok,m\n\
                4,a,3,ok,n\n";
    let read = CallReader::default().key("a").model("m").csv("c.csv", text.as_bytes()).unwrap();
    let figures = (read.rows, read.recording.calls(), read.rejected, read.others, read.skipped);
    assert_eq!(figures, (4, 1, 1, 2, 0));
}

#[test]
fn each_bad_row_is_told_with_its_line_its_column_its_value_and_what_is_expected() {
    let long = "x".repeat(300);
    let rows = [
        ("yesterday,a,1,ok", "time: \"yesterday\", expected RFC 3339 with its offset such as"),
        ("2026-09-21T14:13:20,a,1,ok", "time: \"2026-09-21T14:13:20\", expected RFC 3339"),
        ("-5,a,1,ok", "time: \"-5\", expected RFC 3339"),
        ("NaN,a,1,ok", "time: \"NaN\", expected RFC 3339"),
        (",a,1,ok", "time: \"\", expected RFC 3339"),
        ("5,,1,ok", "key: \"\", expected a text of 1 to 200 bytes"),
        (&format!("5,{long},1,ok"), &format!("key: {:?}..., expected a text", &long[..60])),
        ("5,a,-1,ok", "duration_ms: \"-1\", expected a number of milliseconds from 0, or such as"),
        ("5,a,soon,ok", "duration_ms: \"soon\", expected a number of milliseconds"),
        ("5,a,NaN,ok", "duration_ms: \"NaN\", expected a number of milliseconds"),
        ("5,a,,ok", "duration_ms: \"\", expected a number of milliseconds"),
        (
            "5,a,2days,ok",
            "duration_ms: \"2days\", expected a number of milliseconds from 0, or such",
        ),
        ("5,a,1,perhaps", "outcome: \"perhaps\", expected a word such as ok, failure, timeout"),
        ("5,a,1,99", "outcome: \"99\", expected a word such as ok"),
        ("5,a,1", "has 3 fields, expected 4, as the first line has"),
        ("5,a,1,ok,more", "has 5 fields, expected 4, as the first line has"),
    ];
    for (row, says) in rows {
        let said = csv(&format!("{HEAD}4,a,1,ok\n{row}\n6,a,1,ok\n")).unwrap_err();
        let expected = format!("c.csv:3: row 2: {says}");
        assert!(said.starts_with(&expected), "{said}\n{expected}");
        assert_eq!(said.lines().count(), 1, "{said}");
        let reader = CallReader::default().skip_bad(true);
        let text = format!("{HEAD}4,a,1,ok\n{row}\n6,a,1,ok\n");
        let read = reader.csv("c.csv", text.as_bytes()).unwrap();
        assert_eq!((read.skipped, read.rows, read.recording.calls()), (1, 3, 2), "{row}");
    }
    let text = [HEAD.as_bytes(), b"5,a\xff,1,ok\n"].concat();
    let said = CallReader::default().csv("c.csv", &text[..]).unwrap_err().to_string();
    assert_eq!(said, "c.csv:2: row 1: key: is not UTF-8, expected text in UTF-8");
}

#[test]
fn a_file_full_of_bad_rows_is_told_in_twenty_lines_and_a_count() {
    let said = csv(&format!("{HEAD}{}", "x,a,1,ok\n".repeat(1_000))).unwrap_err();
    assert_eq!(said.lines().count(), 21);
    assert!(said.ends_with("c.csv: and 980 more bad rows"), "{said}");
}

#[test]
fn a_file_that_is_none_is_told_as_a_whole() {
    let rows = [
        ("", "c.csv: is empty, expected a line with the names of the columns"),
        ("a,b\n1,2\n", "c.csv: no column for the time, expected one of time, timestamp, ts, or to"),
        (
            "time,key,duration\n",
            "c.csv: no column for the outcome, expected one of outcome, status",
        ),
    ];
    for (text, says) in rows {
        let said = csv(text).unwrap_err();
        assert!(said.starts_with(says), "{said}");
    }
    let endless = csv(&format!("{HEAD}5,\"a{}", ",1,ok\n".repeat(400_000))).unwrap_err();
    assert_eq!(
        endless,
        "c.csv: cannot be read: a row is longer than 1 MiB, or its quote is not closed"
    );
    let reader = CallReader::default().model("m");
    let said = reader.csv("c.csv", HEAD.as_bytes()).unwrap_err().to_string();
    assert_eq!(said, "c.csv: no column for the model, and calls to one are asked for");
    // More than four years between two calls: most often a unit that was meant otherwise.
    let said = csv(&format!("{HEAD}5,a,1,ok\n1790000000,a,1,ok\n")).unwrap_err();
    assert_eq!(said, "c.csv: row 2: lies more than four years from another call");
}

#[test]
fn calls_are_sorted_by_their_beginnings_and_equal_ones_stay_in_order() {
    let rows = ["5,b,1,ok", "3,a,1,ok", "3,a,2,failure", "1,a,3,ok", "3,a,0,ok"];
    let sorted = ["1,a,3,ok", "3,a,1,ok", "3,a,2,failure", "3,a,0,ok", "5,b,1,ok"];
    let other = ["1,a,3,ok", "3,a,2,failure", "3,a,1,ok", "3,a,0,ok", "5,b,1,ok"];
    let read = |rows: &[&str]| csv(&format!("{HEAD}{}\n", rows.join("\n"))).unwrap().recording;
    assert!(read(&rows) == read(&sorted));
    assert!(read(&rows) != read(&other));
}

#[test]
fn a_recorder_has_its_bounds() {
    let ended = panelboard_lab::Ended::Success;
    let mut recorder = Recorder::default();
    let long = "k".repeat(201);
    let rows = [
        (RecordedCall::new(-1, "a", 1, ended), Unfit::Time),
        (RecordedCall::new(i64::MAX, "a", 1, ended), Unfit::Time),
        (RecordedCall::new(1, "a", 86_400_000_001, ended), Unfit::Duration),
        (RecordedCall::new(1, &long, 1, ended), Unfit::Key),
    ];
    for (call, unfit) in rows {
        assert_eq!(recorder.push(&call), Err(unfit));
    }
    for i in 0..100_000 {
        recorder.push(&RecordedCall::new(i, &i.to_string(), 1, ended)).unwrap();
    }
    let more = RecordedCall::new(1, "more", 1, ended);
    assert_eq!(recorder.push(&more), Err(Unfit::Keys));
    assert_eq!(recorder.finish().calls(), 100_000);
}

/// A row of both formats.
type Row = (u32, u8, u32, u8);

const OUTCOMES: [&str; 4] = ["ok", "failure", "cancelled", "503"];

fn parquet(rows: &[Row], compression: Compression) -> File {
    let field = |name: &str, physical, logical| {
        let field = SchemaType::primitive_type_builder(name, physical)
            .with_repetition(Repetition::REQUIRED)
            .with_logical_type(logical);
        Arc::new(field.build().unwrap())
    };
    let text = Some(LogicalType::String);
    let fields = vec![
        field("time", Type::INT64, Some(LogicalType::timestamp(true, TimeUnit::MILLIS))),
        field("key", Type::BYTE_ARRAY, text.clone()),
        field("duration_ms", Type::DOUBLE, None),
        field("outcome", Type::BYTE_ARRAY, text),
    ];
    let schema = SchemaType::group_type_builder("calls").with_fields(fields).build().unwrap();
    let properties = WriterProperties::builder().set_compression(compression).build();
    let mut file = tempfile::tempfile().unwrap();
    let mut writer = SerializedFileWriter::new(
        file.try_clone().unwrap(),
        Arc::new(schema),
        Arc::new(properties),
    )
    .unwrap();
    // More than one group.
    for rows in rows.chunks(rows.len().div_ceil(2).max(1)) {
        let mut group = writer.next_row_group().unwrap();
        let texts = |of: &dyn Fn(&Row) -> String| -> Vec<ByteArray> {
            rows.iter().map(|row| ByteArray::from(of(row).into_bytes())).collect()
        };
        let times: Vec<i64> = rows.iter().map(|row| 1_790_000_000_000 + i64::from(row.0)).collect();
        let took: Vec<f64> = rows.iter().map(|row| f64::from(row.2) / 8.0).collect();
        let mut column = group.next_column().unwrap().unwrap();
        column.typed::<Int64Type>().write_batch(&times, None, None).unwrap();
        column.close().unwrap();
        let mut column = group.next_column().unwrap().unwrap();
        let keys = texts(&|row| format!("key-{}", row.1));
        column.typed::<ByteArrayType>().write_batch(&keys, None, None).unwrap();
        column.close().unwrap();
        let mut column = group.next_column().unwrap().unwrap();
        column.typed::<DoubleType>().write_batch(&took, None, None).unwrap();
        column.close().unwrap();
        let mut column = group.next_column().unwrap().unwrap();
        let ended = texts(&|row| OUTCOMES[usize::from(row.3)].to_owned());
        column.typed::<ByteArrayType>().write_batch(&ended, None, None).unwrap();
        column.close().unwrap();
        group.close().unwrap();
    }
    writer.close().unwrap();
    file.rewind().unwrap();
    file
}

fn same_as_csv(rows: &[Row]) -> String {
    let line = |row: &Row| {
        let (seconds, millis) = (1_790_000_000 + row.0 / 1_000, row.0 % 1_000);
        let (took, ended) = (f64::from(row.2) / 8.0, OUTCOMES[usize::from(row.3)]);
        format!("{seconds}.{millis:03},key-{},{took},{ended}\n", row.1)
    };
    HEAD.to_owned() + &rows.iter().map(line).collect::<String>()
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 40,
        failure_persistence: None,
        ..Default::default()
    })]

    #[test]
    fn parquet_and_csv_of_the_same_calls_are_the_same_recording(
        rows in prop::collection::vec((0_u32..100_000, 0_u8..3, 0_u32..100_000, 0_u8..4), 0..60),
    ) {
        let by_csv = csv(&same_as_csv(&rows)).unwrap();
        let file = parquet(&rows, Compression::SNAPPY);
        let by_parquet = CallReader::default().parquet("c.parquet", file).unwrap();
        prop_assert_eq!(by_csv.rows, by_parquet.rows);
        prop_assert!(by_csv.recording == by_parquet.recording);
    }
}

#[test]
fn long_parquet_files_are_read_in_batches() {
    let rows: Vec<Row> = (0..20_001).map(|i| (i, (i % 3) as u8, i, (i % 4) as u8)).collect();
    let file = parquet(&rows, Compression::GZIP(Default::default()));
    let read = CallReader::default().parquet("c.parquet", file).unwrap();
    assert!(read.recording == csv(&same_as_csv(&rows)).unwrap().recording);
    assert_eq!(read.rows, 20_001);
}

#[test]
fn parquet_cells_that_are_empty_or_wrong_are_told_with_their_row() {
    let field = |name: &str, physical| {
        let field = SchemaType::primitive_type_builder(name, physical);
        Arc::new(field.with_repetition(Repetition::OPTIONAL).build().unwrap())
    };
    let fields = vec![
        field("time", Type::INT64),
        field("key", Type::BYTE_ARRAY),
        field("duration_ms", Type::INT64),
        field("status", Type::INT32),
    ];
    let schema = SchemaType::group_type_builder("calls").with_fields(fields).build().unwrap();
    let file = tempfile::tempfile().unwrap();
    let mut writer =
        SerializedFileWriter::new(file.try_clone().unwrap(), Arc::new(schema), Arc::default())
            .unwrap();
    let mut group = writer.next_row_group().unwrap();
    // Row 2 has no time, row 3 a status that is none, row 4 a key that is no text.
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<Int64Type>().write_batch(&[5, 7, 8], Some(&[1, 0, 1, 1]), None).unwrap();
    column.close().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    let keys = [&b"a"[..], b"a", b"a", b"\xff"].map(|key| ByteArray::from(key.to_vec()));
    column.typed::<ByteArrayType>().write_batch(&keys, Some(&[1; 4]), None).unwrap();
    column.close().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<Int64Type>().write_batch(&[3, 3, 3, 3], Some(&[1; 4]), None).unwrap();
    column.close().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<Int32Type>().write_batch(&[200, 200, 700, 200], Some(&[1; 4]), None).unwrap();
    column.close().unwrap();
    group.close().unwrap();
    writer.close().unwrap();
    let said = CallReader::default().parquet("c.parquet", file.try_clone().unwrap()).unwrap_err();
    let said = said.to_string();
    let expected = [
        "c.parquet: row 2: time: empty, expected RFC 3339",
        "c.parquet: row 3: status: 700, expected a word such as ok",
        "c.parquet: row 4: key: is not UTF-8, expected text in UTF-8",
    ];
    assert_eq!(said.lines().count(), 3, "{said}");
    for (line, expected) in said.lines().zip(expected) {
        assert!(line.starts_with(expected), "{line}");
    }
    let read = CallReader::default().skip_bad(true).parquet("c.parquet", file).unwrap();
    assert_eq!((read.rows, read.skipped, read.recording.calls()), (4, 3, 1));
}

#[test]
fn what_is_no_parquet_is_told_as_a_whole() {
    let mut file = tempfile::tempfile().unwrap();
    std::io::Write::write_all(&mut file, HEAD.as_bytes()).unwrap();
    let said = CallReader::default().parquet("c.parquet", file).unwrap_err().to_string();
    assert!(said.starts_with("c.parquet: is no Parquet: "), "{said}");
}

#[test]
fn a_key_beside_its_provider_is_the_breaker_of_both() {
    let text = "time,provider,key,duration_ms,outcome\n\
                1790000000,openai,team-a,5,ok\n\
                1790000001,azure,team-a,5,ok\n\
                1790000002,azure,,0,rejected\n";
    let read = CallReader::default().csv("c.csv", text.as_bytes()).unwrap();
    assert_eq!(read.recording.keys().collect::<Vec<_>>(), ["azure/team-a", "openai/team-a"]);
    // What was passed by before a key was chosen is no bad row.
    assert_eq!((read.rejected, read.skipped), (1, 0));
    let one = CallReader::default().key("openai/team-a").csv("c.csv", text.as_bytes()).unwrap();
    assert_eq!((one.recording.calls(), one.others), (1, 1));
    // Who names the column means that one alone; a provider alone is the key.
    let named = CallReader::default().column(Column::Key, "key");
    let named = named.skip_bad(true).csv("c.csv", text.as_bytes()).unwrap();
    assert_eq!(named.recording.keys().collect::<Vec<_>>(), ["team-a"]);
    let alone = text.replace(",key,", ",owner,");
    let alone = CallReader::default().csv("c.csv", alone.as_bytes()).unwrap();
    assert_eq!(alone.recording.keys().collect::<Vec<_>>(), ["azure", "openai"]);
}
