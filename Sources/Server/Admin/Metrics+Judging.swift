/// Who judges where links lead.
extension Metrics {
    mutating func addJudges(_ judges: Judges) {
        let lists = judges.lists
        if case let figures = lists.lists.value.lists, !figures.isEmpty {
            output.metric("edge_block_list_entries", .gauge, "Entries of the block lists in force, by list.")
            for list in figures { output.sample("edge_block_list_entries", ["list": list.name], Double(list.entries)) }
            output.metric("edge_block_list_wrong_lines", .gauge, "Lines of block lists that could not be read.")
            for list in figures {
                output.sample("edge_block_list_wrong_lines", ["list": list.name], Double(list.wrongLines))
            }
        }
        output.value(
            "edge_block_lists_bytes", .gauge, "Memory that the block lists in force take.",
            Double(lists.lists.value.sizeBytes))
        output.value(
            "edge_block_lists_read_timestamp_seconds", .gauge, "When the block lists in force were read.",
            Double(lists.readAt.load(ordering: .relaxed)))
        output.value(
            "edge_block_lists_refused_total", .counter, "Changed block lists that could not be used.",
            Double(lists.refusedReads.value))
        output.value(
            "edge_blocked_destinations_total", .counter, "Destinations refused because they are listed.",
            Double(lists.lists.refusedCount))
        output.value(
            "edge_rescan_running", .gauge, "1 while all links are judged by changed block lists.",
            lists.isScanning.load(ordering: .relaxed) ? 1 : 0)
        output.value(
            "edge_rescan_links", .gauge, "Links that this scan, or the last one, has judged.",
            Double(lists.scannedLinks.load(ordering: .relaxed)))
        output.value("edge_rescans_total", .counter, "Scans that came to their end.", Double(lists.scans.value))
        let all = [("lists", lists.figures)] + (judges.lookups.map { [("lookup_service", $0.figures)] } ?? [])
        output.metric("edge_judged_links_total", .counter, "Links judged since they were written, or again.")
        for (judge, figures) in all {
            output.sample("edge_judged_links_total", ["judge": judge], Double(figures.judged.value))
        }
        output.metric("edge_judged_blocks_total", .counter, "Blocks of links that were written, by what they say.")
        for (judge, figures) in all {
            for (state, count) in [("blocked", figures.blocked.value), ("lifted", figures.lifted.value)] {
                output.sample("edge_judged_blocks_total", ["judge": judge, "state": state], Double(count))
            }
        }
        output.metric("edge_judging_failures_total", .counter, "Turns that came to nothing and are made again.")
        for (judge, figures) in all {
            output.sample("edge_judging_failures_total", ["judge": judge], Double(figures.failures.value))
        }
        output.metric("edge_judging_gaps_total", .counter, "Parts of logs that could not be read by judges.")
        for (judge, figures) in all {
            output.sample("edge_judging_gaps_total", ["judge": judge], Double(figures.gaps.value))
        }
    }
}
