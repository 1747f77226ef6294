//! Draws a metric's points on the terminal. It decides no scale: the drawing library does.

use textplots::{Chart, Plot, Shape};

/// A line chart of (step, value) points; nothing where there are fewer than two numbers.
pub(crate) fn line(title: &str, points: &[(f32, f32)]) -> Option<String> {
    let numbers: Vec<(f32, f32)> = points.iter().copied().filter(|(_, value)| value.is_finite()).collect();
    let (first, last) = (numbers.first()?.0, numbers.last()?.0);
    if last <= first {
        return None;
    }
    let shape = Shape::Lines(&numbers);
    let mut chart = Chart::new(120, 40, first, last);
    let chart = chart.lineplot(&shape);
    chart.axis();
    chart.figures();
    Some(format!("{title}\n{chart}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_numbers_and_nothing_else() {
        let drawn = line("loss", &[(1.0, 2.0), (2.0, f32::NAN), (3.0, 1.0)]).unwrap();
        assert!(drawn.starts_with("loss\n"));
        let dots = |c: char| ('\u{2801}'..='\u{28ff}').contains(&c);
        assert!(drawn.chars().filter(|c| dots(*c)).count() > 50, "{drawn}");
        assert!(line("loss", &[(1.0, f32::NAN)]).is_none());
        assert!(line("loss", &[(1.0, 1.0)]).is_none());
    }
}
