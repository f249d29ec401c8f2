"""The networks of Yan et al. 2022, «Transmission-Guided Bayesian Generative Model for Smoke Segmentation». Torch from here on."""
