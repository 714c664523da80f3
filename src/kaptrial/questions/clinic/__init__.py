"""The clinic: recruitment, chairs, nurses, therapists and raters, one discrete-event simulation a replicate."""
