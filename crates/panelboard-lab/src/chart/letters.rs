//! How do letters come into a picture of pixels without a font of the system?
//!
//! A machine that runs tests often has no fonts. So each letter is copied from the bitmaps of a
//! fixed-width font that are part of the program.

use noto_sans_mono_bitmap::{FontWeight, RasterHeight, get_raster, get_raster_width};
use plotters_backend::{
    BackendColor, BackendCoord, BackendStyle, BackendTextStyle, DrawingBackend, DrawingErrorKind,
    text_anchor::{HPos, VPos},
};

/// A canvas whose text is drawn from bitmaps. Everything else is left to the canvas.
#[derive(Debug)]
pub(super) struct Lettered<B>(B);

impl<B> Lettered<B> {
    pub(super) fn new(canvas: B) -> Self {
        Self(canvas)
    }
}

type Drawn<B> = Result<(), DrawingErrorKind<<B as DrawingBackend>::ErrorType>>;

impl<B: DrawingBackend> DrawingBackend for Lettered<B> {
    type ErrorType = B::ErrorType;

    fn get_size(&self) -> (u32, u32) {
        self.0.get_size()
    }

    fn ensure_prepared(&mut self) -> Drawn<B> {
        self.0.ensure_prepared()
    }

    fn present(&mut self) -> Drawn<B> {
        self.0.present()
    }

    fn draw_pixel(&mut self, point: BackendCoord, color: BackendColor) -> Drawn<B> {
        self.0.draw_pixel(point, color)
    }

    fn draw_rect<S: BackendStyle>(
        &mut self,
        upper_left: BackendCoord,
        bottom_right: BackendCoord,
        style: &S,
        fill: bool,
    ) -> Drawn<B> {
        self.0.draw_rect(upper_left, bottom_right, style, fill)
    }

    fn draw_text<S: BackendTextStyle>(
        &mut self,
        text: &str,
        style: &S,
        pos: BackendCoord,
    ) -> Drawn<B> {
        let height = if style.size() < 18.0 { RasterHeight::Size16 } else { RasterHeight::Size20 };
        let width = get_raster_width(FontWeight::Regular, height) as i32;
        let (whole, tall) = (width * text.chars().count() as i32, height.val() as i32);
        let x = match style.anchor().h_pos {
            HPos::Left => pos.0,
            HPos::Center => pos.0 - whole / 2,
            HPos::Right => pos.0 - whole,
        };
        let y = match style.anchor().v_pos {
            VPos::Top => pos.1,
            VPos::Center => pos.1 - tall / 2,
            VPos::Bottom => pos.1 - tall,
        };
        for (i, letter) in text.chars().enumerate() {
            self.letter(letter, height, (x + width * i as i32, y), style.color())?;
        }
        Ok(())
    }
}

impl<B: DrawingBackend> Lettered<B> {
    fn letter(
        &mut self,
        letter: char,
        height: RasterHeight,
        (left, top): BackendCoord,
        color: BackendColor,
    ) -> Drawn<B> {
        let raster = get_raster(letter, FontWeight::Regular, height)
            .or_else(|| get_raster('?', FontWeight::Regular, height));
        let Some(raster) = raster else { return Ok(()) };
        let (width, tall) = self.get_size();
        for (y, row) in raster.rows().enumerate() {
            for (x, &strength) in row.iter().enumerate() {
                let (x, y) = (left + x as i32, top + y as i32);
                let inside = (0..width as i32).contains(&x) && (0..tall as i32).contains(&y);
                if strength > 0 && inside {
                    let alpha = color.alpha * f64::from(strength) / 255.0;
                    self.draw_pixel((x, y), BackendColor { alpha, ..color })?;
                }
            }
        }
        Ok(())
    }
}
