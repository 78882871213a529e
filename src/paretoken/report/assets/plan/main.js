followLink();
showTheme();
performance.mark("paretoken-drawn");
