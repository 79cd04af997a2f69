/// What came of requests that came again, and of batches.
extension Metrics {
    mutating func addRepeats(_ node: Node) {
        let repeats = node.api.repeatCounts.values
        output.metric(
            "edge_repeated_requests_total", .counter, "Requests with an Idempotency-Key that had come before.")
        output.sample("edge_repeated_requests_total", ["result": "replayed"], Double(repeats.replayed))
        output.sample("edge_repeated_requests_total", ["result": "mismatched"], Double(repeats.mismatched))
        let figures = node.api.batches.figures
        output.value(
            "edge_batches_unfinished", .gauge, "Batches whose links are being made.", Double(figures.unfinished))
        output.metric("edge_batch_entries_total", .counter, "Entries of batches, by what became of them.")
        output.sample("edge_batch_entries_total", ["result": "made"], Double(figures.made))
        output.sample("edge_batch_entries_total", ["result": "refused"], Double(figures.refused))
        output.value(
            "edge_store_swept_rows_total", .counter, "Rows of claims and batches whose time was over.",
            Double(node.store.figures.scrub.sweptRows))
    }
}
