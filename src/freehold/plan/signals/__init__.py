"""The signals of the build threshold, from counts to on or off."""
