export * from "./cards.js";
export * from "./charts.js";
export * from "./html.js";
export * from "./line-chart.js";
export * from "./log-histogram.js";
export * from "./pieces.js";
export * from "./report-files.js";
export * from "./tokens.js";
