//! Draws metrics on the terminal, several in one picture. It decides no scale: the drawing library does.

use rgb::RGB8;
use textplots::{Chart, ColorPlot, Shape};

/// Width and height of a picture, in dots: a character has 2 × 4.
const WIDTH: u32 = 120;
const HEIGHT: u32 = 40;
/// Colours that can be told apart on a dark and on a bright ground.
const COLOURS: [(&str, RGB8); 6] = [
    ("blue", RGB8 { r: 60, g: 140, b: 240 }),
    ("orange", RGB8 { r: 240, g: 140, b: 40 }),
    ("green", RGB8 { r: 40, g: 180, b: 90 }),
    ("magenta", RGB8 { r: 210, g: 80, b: 200 }),
    ("cyan", RGB8 { r: 30, g: 180, b: 190 }),
    ("red", RGB8 { r: 230, g: 70, b: 70 }),
];

/// A metric's points: (step, value).
#[derive(Debug, Clone, Default)]
pub(crate) struct Series {
    pub(crate) name: String,
    pub(crate) points: Vec<(f32, f32)>,
}

/// A line for each series, with a legend; nothing where none has two numbers.
pub(crate) fn lines(title: &str, series: &[Series]) -> Option<String> {
    let numbers: Vec<(&str, Vec<(f32, f32)>)> = series
        .iter()
        .map(|one| (one.name.as_str(), one.points.iter().copied().filter(|(_, y)| y.is_finite()).collect()))
        .filter(|(_, points): &(_, Vec<_>)| points.len() > 1)
        .collect();
    let steps = || numbers.iter().flat_map(|(_, points)| points.iter().map(|(step, _)| *step));
    let (first, last) = (steps().fold(f32::INFINITY, f32::min), steps().fold(f32::NEG_INFINITY, f32::max));
    if last <= first {
        return None;
    }
    let mut legend = Vec::new();
    let shapes: Vec<(Shape<'_>, RGB8)> = numbers
        .iter()
        .zip(COLOURS.iter().cycle())
        .map(|((name, points), (colour, rgb))| {
            let end = points.last().map_or(0.0, |(_, value)| *value);
            legend.push(format!("{name} ({colour}) {end:.4}"));
            (Shape::Lines(points), *rgb)
        })
        .collect();
    let mut chart = Chart::new(WIDTH, HEIGHT, first, last);
    let mut drawn = &mut chart;
    for (shape, colour) in &shapes {
        drawn = drawn.linecolorplot(shape, *colour);
    }
    drawn.axis();
    drawn.figures();
    Some(format!("{title}: {}\n{drawn}", legend.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(name: &str, points: &[(f32, f32)]) -> Series {
        Series { name: name.into(), points: points.to_vec() }
    }

    #[test]
    fn draws_numbers_and_nothing_else() {
        let one = series("train", &[(1.0, 2.0), (2.0, f32::NAN), (3.0, 1.0)]);
        let drawn = lines("loss", std::slice::from_ref(&one)).unwrap();
        assert!(drawn.starts_with("loss: train (blue) 1.0000\n"), "{drawn}");
        let dots = |text: &str| text.chars().filter(|c| ('\u{2801}'..='\u{28ff}').contains(c)).count();
        assert!(dots(&drawn) > 50, "{drawn}");
        let both = lines("loss", &[one, series("validation", &[(1.0, 1.0), (3.0, 2.0)])]).unwrap();
        assert!(both.contains("validation (orange) 2.0000"));
        assert!(dots(&both) > dots(&drawn));
        assert!(lines("loss", &[series("a", &[(1.0, f32::NAN)])]).is_none());
        assert!(lines("loss", &[series("a", &[(1.0, 1.0)])]).is_none());
        assert!(lines("loss", &[]).is_none());
    }
}
