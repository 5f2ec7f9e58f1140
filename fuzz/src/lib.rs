//! What the fuzz targets do with their bytes: they are a configuration, or a script of operations.
//! Each panics at what must not be, and answers nothing. It knows no fuzzer: a test of the core
//! runs the same functions over the committed corpus.

mod bytes;
mod options;
mod watched;

use bytes::Bytes;
use watched::Watched;

/// Any options at all: `build` answers or refuses and never panics, and what it builds works.
pub fn config(data: &[u8]) {
    let mut bytes = Bytes::new(data);
    match options::any(&mut bytes).build() {
        Err(error) => {
            let told = error.to_string();
            assert!(!error.field.is_empty() && !error.expected.is_empty(), "{error:?}");
            assert!(told.contains(error.field) && told.contains(error.expected), "{told}");
        }
        Ok(config) => {
            let mut watched = Watched::new(&config);
            (0..100).for_each(|_| watched.step(&mut bytes));
        }
    }
}

/// A configuration that can be built, and operations as long as there are bytes.
pub fn script(data: &[u8]) {
    let mut bytes = Bytes::new(data);
    let Ok(config) = options::plain(&mut bytes).build() else {
        unreachable!("each of the plain options is in its range")
    };
    let mut watched = Watched::new(&config);
    while !bytes.is_empty() {
        watched.step(&mut bytes);
    }
}
