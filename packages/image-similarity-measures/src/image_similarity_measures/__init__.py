"""Similarity of two images: RMSE, PSNR, SSIM, FSIM, ISSM, SRE, SAM and UIQ."""

__version__ = "1.0.0"
