"""From a camera frame to smoke masks and their uncertainty, over HTTP. No torch anywhere below."""
