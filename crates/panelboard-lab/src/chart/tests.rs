//! Is there a picture, with letters, on a machine without fonts?

use std::ops::ControlFlow;

use super::*;
use crate::{Options, Scenario, simulate};

fn report() -> Report {
    let text = r#"
        title = "A title: 100 % \u00e9"
        [run]
        lasts = "30s"
        seeds = 2
        [[service]]
        name = "a"
        latency = { kind = "constant", mean = "100ms" }
        episode = [{ kind = "errors", at = "10s", lasts = "10s" }]
        [[caller]]
        name = "app"
        calls = ["a"]
        rate = 50
    "#;
    let scenario = Scenario::from_toml("s.toml", text).unwrap();
    simulate(&scenario, Options::default(), |_| ControlFlow::Continue(())).unwrap()
}

#[test]
fn the_svg_has_the_names_the_scales_and_the_states() {
    let svg = report().svg().unwrap();
    for text in ["A title: 100 % \u{e9}", "none: ", "defaults: ", "served", "40/s", "20s", "</svg>"]
    {
        assert!(svg.contains(text), "{text}: {svg}");
    }
    let red = format!("#{:02X}{:02X}{:02X}", OPEN.0, OPEN.1, OPEN.2);
    assert!(svg.contains(&red), "a breaker was open");
}

#[test]
fn the_png_can_be_read_and_has_letters() {
    let report = report();
    let file = report.png().unwrap();
    let mut reader = png::Decoder::new(std::io::Cursor::new(file)).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    reader.next_frame(&mut pixels).unwrap();
    let (width, height) = report.size();
    assert_eq!((reader.info().width, reader.info().height), (width, height));
    let dark = |x: std::ops::Range<u32>, y: std::ops::Range<u32>| {
        let at = |x: u32, y: u32| pixels[((y * width + x) * 3) as usize];
        let ink = y.flat_map(|y| x.clone().map(move |x| (x, y))).filter(|&(x, y)| at(x, y) < 150);
        ink.count()
    };
    assert!(dark(10..300, 8..36) > 200, "the title");
    assert!(dark(70..400, HEAD + 2..HEAD + 24) > 100, "the panel's caption");
    assert!(dark(0..68, HEAD + 20..HEAD + 220) > 100, "the scale");
}

#[test]
fn the_same_report_is_the_same_picture() {
    assert!(report().png().unwrap() == report().png().unwrap());
}

#[test]
fn many_points_are_thinned_to_their_means() {
    let values: Vec<f64> = (0..1_800).map(|i| f64::from(i % 3)).collect();
    let thin = thinned(&values);
    assert_eq!(thin.len(), MOST_POINTS);
    assert!(thin.iter().all(|value| (value - 1.0).abs() < 1e-9));
    assert_eq!(thinned(&[1.0, 2.0]), [1.0, 2.0]);
}
