"""From images and masks to a released artefact."""
