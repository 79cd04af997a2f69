/// What came of reports of abuse.
extension Metrics {
    mutating func addReports(_ counts: ReportCounts) {
        output.metric("edge_reports_total", .counter, "Reports of links, by what came of them.")
        for (result, count) in [
            ("taken", counts.taken.value), ("known", counts.known.value), ("refused", counts.refused.value),
        ] {
            output.sample("edge_reports_total", ["result": result], Double(count))
        }
    }
}
