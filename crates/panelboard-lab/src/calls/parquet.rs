//! How are calls read from Parquet?
//!
//! By the columns' own readers, a few thousand rows at a time: the library's rows of values panic
//! at types that they do not know, and take an allocation for each value.

use std::fs::File;

use parquet::{
    basic::{ConvertedType, LogicalType, TimeUnit, Type},
    column::reader::{ColumnReader, ColumnReaderImpl},
    data_type::{ByteArray, DataType},
    errors::ParquetError,
    file::reader::{FileReader, RowGroupReader, SerializedFileReader},
    schema::types::ColumnDescriptor,
};

use super::{
    CallReader, CallsError, CallsRead, Column,
    read::{Cells, Reading},
    values::Cell,
};

/// Rows that are held at once.
const BATCH: usize = 4096;

pub(super) fn read(reader: &CallReader, source: &str, file: File) -> Result<CallsRead, CallsError> {
    let cannot = |error: ParquetError| CallsError::whole(source, format!("is no Parquet: {error}"));
    let file = SerializedFileReader::new(file).map_err(cannot)?;
    let metadata = file.metadata();
    let columns = metadata.file_metadata().schema_descr_ptr();
    let names: Vec<String> =
        columns.columns().iter().map(|column| column.path().string()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut reading = Reading::new(reader, source, &names)?;
    let mut kinds = [None; Column::ALL.len()];
    for (kind, place) in kinds.iter_mut().zip(reading.places()) {
        let Some(place) = place else { continue };
        let column = columns.column(place.index);
        let wrong = |_| {
            let what = format!("column {}: has the type {}", place.name, column.physical_type());
            CallsError::whole(source, format!("{what}, expected {TYPES}"))
        };
        *kind = Some(Kind::of(&column).ok_or(()).map_err(wrong)?);
    }
    for number in 0..metadata.num_row_groups() {
        let group = file.get_row_group(number).map_err(cannot)?;
        rows(group.as_ref(), &kinds, &mut reading, &cannot)?;
    }
    reading.finish()
}

const TYPES: &str = "one value a row: a whole number, a float, a timestamp, a text or a flag";

/// What a whole number of a column is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Itself, or it is no whole number.
    Plain,
    /// A moment: so many of these are a microsecond, or a microsecond so many of these.
    Moment { times: i64, by: i64 },
}

impl Kind {
    /// None for what is not read: lists, tables, and types that say nothing here.
    fn of(column: &ColumnDescriptor) -> Option<Self> {
        if column.max_rep_level() > 0 || column.max_def_level() > 1 {
            return None;
        }
        let moment = |times, by| Some(Self::Moment { times, by });
        match (column.physical_type(), column.logical_type_ref(), column.converted_type()) {
            (Type::INT64, Some(LogicalType::Timestamp(time)), _) => match time.unit {
                TimeUnit::MILLIS => moment(1_000, 1),
                TimeUnit::MICROS => moment(1, 1),
                TimeUnit::NANOS => moment(1, 1_000),
            },
            (Type::INT64, _, ConvertedType::TIMESTAMP_MILLIS) => moment(1_000, 1),
            (Type::INT64, _, ConvertedType::TIMESTAMP_MICROS) => moment(1, 1),
            (
                Type::BOOLEAN
                | Type::INT32
                | Type::INT64
                | Type::FLOAT
                | Type::DOUBLE
                | Type::BYTE_ARRAY,
                _,
                ConvertedType::DECIMAL | ConvertedType::DATE,
            ) => None,
            (
                Type::BOOLEAN
                | Type::INT32
                | Type::INT64
                | Type::FLOAT
                | Type::DOUBLE
                | Type::BYTE_ARRAY,
                ..,
            ) => Some(Self::Plain),
            _ => None,
        }
    }

    fn cell(self, number: i64) -> Cell<'static> {
        match self {
            Self::Plain => Cell::Whole(number),
            Self::Moment { times, by } => Cell::Moment(number.saturating_mul(times) / by),
        }
    }
}

/// Reads the rows of one group.
fn rows(
    group: &dyn RowGroupReader,
    kinds: &[Option<Kind>; Column::ALL.len()],
    reading: &mut Reading<'_>,
    cannot: &impl Fn(ParquetError) -> CallsError,
) -> Result<(), CallsError> {
    let mut columns = Vec::new();
    for (number, (place, kind)) in reading.places().iter().zip(kinds).enumerate() {
        if let (Some(place), Some(kind)) = (place, kind) {
            let from = group.get_column_reader(place.index).map_err(cannot)?;
            columns.push(Batch {
                number,
                kind: *kind,
                from,
                levels: Vec::new(),
                values: Values::None,
            });
        }
    }
    loop {
        let mut held = None;
        for column in &mut columns {
            let rows = column.fill().map_err(cannot)?;
            if *held.get_or_insert(rows) != rows {
                let error = ParquetError::General("columns of different lengths".to_owned());
                return Err(cannot(error));
            }
        }
        let held = held.unwrap_or(0);
        if held == 0 {
            return Ok(());
        }
        // The next value of each column: rows without one are not among the values.
        let mut next = vec![0; columns.len()];
        for row in 0..held {
            let mut cells: Cells<'_> = [Cell::Empty; Column::ALL.len()];
            let mut broken = None;
            for (column, next) in columns.iter().zip(&mut next) {
                if !column.is_there(row) {
                    continue;
                }
                match column.cell(*next) {
                    Some(cell) => cells[column.number] = cell,
                    None => broken = Some(column.number),
                }
                *next += 1;
            }
            match broken {
                None => reading.row(&cells, None)?,
                Some(number) => {
                    let place = reading.places()[number].as_ref();
                    let name = place.map_or("", |place| place.name.as_str());
                    let wrong = format!("{name}: is not UTF-8");
                    reading.broken(None, wrong, "text in UTF-8");
                }
            }
        }
    }
}

/// Some rows of one column.
struct Batch {
    /// In the order of [`Column::ALL`].
    number: usize,
    kind: Kind,
    from: ColumnReader,
    /// Of each row 1 if it has a value; empty if each has.
    levels: Vec<i16>,
    values: Values,
}

/// Values without the rows that have none.
enum Values {
    None,
    Flags(Vec<bool>),
    Short(Vec<i32>),
    Whole(Vec<i64>),
    Single(Vec<f32>),
    Double(Vec<f64>),
    Texts(Vec<ByteArray>),
}

impl Batch {
    /// Reads the next rows: how many.
    fn fill(&mut self) -> Result<usize, ParquetError> {
        let levels = &mut self.levels;
        levels.clear();
        let (rows, values) = match &mut self.from {
            ColumnReader::BoolColumnReader(from) => some(from, levels, Values::Flags),
            ColumnReader::Int32ColumnReader(from) => some(from, levels, Values::Short),
            ColumnReader::Int64ColumnReader(from) => some(from, levels, Values::Whole),
            ColumnReader::FloatColumnReader(from) => some(from, levels, Values::Single),
            ColumnReader::DoubleColumnReader(from) => some(from, levels, Values::Double),
            ColumnReader::ByteArrayColumnReader(from) => some(from, levels, Values::Texts),
            _ => Err(ParquetError::NYI("this type of column".to_owned())),
        }?;
        self.values = values;
        Ok(rows)
    }

    fn is_there(&self, row: usize) -> bool {
        self.levels.get(row).is_none_or(|level| *level > 0)
    }

    /// A value; none if it is a text that is not UTF-8.
    fn cell(&self, at: usize) -> Option<Cell<'_>> {
        let cell = match &self.values {
            Values::None => Cell::Empty,
            Values::Flags(values) => Cell::Flag(*values.get(at)?),
            Values::Short(values) => self.kind.cell(i64::from(*values.get(at)?)),
            Values::Whole(values) => self.kind.cell(*values.get(at)?),
            Values::Single(values) => Cell::Number(f64::from(*values.get(at)?)),
            Values::Double(values) => Cell::Number(*values.get(at)?),
            Values::Texts(values) => Cell::Text(std::str::from_utf8(values.get(at)?.data()).ok()?),
        };
        Some(cell)
    }
}

fn some<T: DataType>(
    from: &mut ColumnReaderImpl<T>,
    levels: &mut Vec<i16>,
    wrap: fn(Vec<T::T>) -> Values,
) -> Result<(usize, Values), ParquetError> {
    let mut values = Vec::with_capacity(BATCH);
    let (rows, ..) = from.read_records(BATCH, Some(levels), None, &mut values)?;
    Ok((rows, wrap(values)))
}
