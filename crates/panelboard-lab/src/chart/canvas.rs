//! How does a drawing become a file, and what do all of ours share?

use std::error::Error;

use plotters::{
    coord::Shift,
    prelude::{
        BitMapBackend, DrawingArea, DrawingAreaErrorKind, DrawingBackend, IntoDrawingArea,
        IntoFont, RGBColor, SVGBackend,
    },
    style::TextStyle,
};

use super::{ChartError, letters::Lettered};

pub(crate) const INK: RGBColor = RGBColor(40, 44, 52);
pub(crate) const GRID: RGBColor = RGBColor(226, 228, 232);
pub(crate) const TROUBLE: RGBColor = RGBColor(252, 233, 226);
pub(crate) const OPEN: RGBColor = RGBColor(200, 40, 40);
pub(crate) const HALF_OPEN: RGBColor = RGBColor(240, 170, 40);
pub(crate) const CLOSED: RGBColor = RGBColor(120, 190, 130);

pub(crate) type Drawn<B> = Result<(), DrawingAreaErrorKind<<B as DrawingBackend>::ErrorType>>;
pub(crate) type Area<B> = DrawingArea<B, Shift>;

/// What can be drawn.
pub(crate) trait Picture {
    /// Width and height, in pixels.
    fn size(&self) -> (u32, u32);

    fn draw<B: DrawingBackend>(&self, area: &Area<B>) -> Drawn<B>;

    fn to_svg(&self) -> Result<String, ChartError> {
        let mut text = String::new();
        let area = SVGBackend::with_string(&mut text, self.size()).into_drawing_area();
        self.draw(&area).map_err(failed)?;
        drop(area);
        Ok(text)
    }

    fn to_png(&self) -> Result<Vec<u8>, ChartError> {
        let (width, height) = self.size();
        let mut pixels = vec![0; (width * height * 3) as usize];
        let canvas = BitMapBackend::with_buffer(&mut pixels, (width, height));
        let area = Lettered::new(canvas).into_drawing_area();
        self.draw(&area).map_err(failed)?;
        drop(area);
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, width, height);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        let mut writer = encoder.write_header().map_err(failed)?;
        writer.write_image_data(&pixels).map_err(failed)?;
        writer.finish().map_err(failed)?;
        Ok(file)
    }
}

fn failed(error: impl Error) -> ChartError {
    ChartError(error.to_string())
}

pub(crate) fn text<'a>(size: u32) -> TextStyle<'a> {
    TextStyle::from(("monospace", size).into_font()).color(&INK)
}
