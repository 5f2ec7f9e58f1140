//! How does a job stand in the store, and how is it read again?
//!
//! As JSON that people can read: its row, and beside it what it was to do and what came of it, as
//! they are.

use bytes::Bytes;
use panelboard_tasks::JobRow;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

#[derive(Serialize)]
struct Written<'a> {
    row: &'a JobRow,
    #[serde(skip_serializing_if = "Option::is_none")]
    args: Option<Piece<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    saved: Option<Piece<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<Piece<'a>>,
}

/// Bytes of a job's own.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Piece<'a> {
    Json(&'a RawValue),
    /// What is no JSON: why a job failed.
    Text(&'a str),
    /// What is no text either.
    Bytes(&'a [u8]),
}

impl<'a> Piece<'a> {
    fn of(bytes: &'a [u8]) -> Self {
        match (serde_json::from_slice(bytes), std::str::from_utf8(bytes)) {
            (Ok(json), _) => Self::Json(json),
            (_, Ok(text)) => Self::Text(text),
            _ => Self::Bytes(bytes),
        }
    }
}

#[derive(Deserialize)]
struct Read {
    row: JobRow,
    args: Option<OwnPiece>,
    saved: Option<OwnPiece>,
    output: Option<OwnPiece>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum OwnPiece {
    Json(Box<RawValue>),
    Text(String),
    Bytes(Vec<u8>),
}

impl From<OwnPiece> for Bytes {
    fn from(piece: OwnPiece) -> Self {
        match piece {
            OwnPiece::Json(json) => Box::<str>::from(json).into_string().into(),
            OwnPiece::Text(text) => text.into(),
            OwnPiece::Bytes(bytes) => bytes.into(),
        }
    }
}

/// The JSON of a job.
pub(super) fn write(row: &JobRow) -> String {
    let bare = JobRow { args: Bytes::new(), saved: None, output: None, ..row.clone() };
    let written = Written {
        row: &bare,
        args: Some(Piece::of(&row.args)),
        saved: row.saved.as_deref().map(Piece::of),
        output: row.output.as_deref().map(Piece::of),
    };
    serde_json::to_string(&written).expect("numbers and strings alone are always JSON")
}

/// Reads what [`write`] has written; what is wrong with it if it is none of ours.
pub(super) fn read(json: &[u8]) -> Result<JobRow, String> {
    let Read { row, args, saved, output } =
        serde_json::from_slice(json).map_err(|error| error.to_string())?;
    let args = args.map(Bytes::from).unwrap_or_default();
    Ok(JobRow { args, saved: saved.map(Bytes::from), output: output.map(Bytes::from), ..row })
}
