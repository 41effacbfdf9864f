"""HTML pages that hold all they show: the look, the template below every report, pictures as SVG."""
