import Server
import Testing

@Suite struct MetricsTextTests {
    @Test func samplesAndEscapes() {
        var text = MetricsText()
        text.metric("edge_x", .gauge, "Of x.")
        text.sample("edge_x", ["a": "b\"c\\d\ne"], 1.5)
        text.sample("edge_x", .infinity)
        text.value("edge_y_total", .counter, "Of y.", 3)
        #expect(
            text.text == """
                # HELP edge_x Of x.
                # TYPE edge_x gauge
                edge_x{a="b\\"c\\\\d\\ne"} 1.5
                edge_x +Inf
                # HELP edge_y_total Of y.
                # TYPE edge_y_total counter
                edge_y_total 3

                """)
    }

    @Test func histogramsAreCumulative() {
        var text = MetricsText()
        text.histogram("edge_h", "Of h.", bounds: [0.5, 1], counts: [1, 2, 3], sum: 4.25)
        #expect(
            text.text.split(separator: "\n").dropFirst(2) == [
                #"edge_h_bucket{le="0.5"} 1"#, #"edge_h_bucket{le="1.0"} 3"#, #"edge_h_bucket{le="+Inf"} 6"#,
                "edge_h_sum 4.25", "edge_h_count 6",
            ])
    }
}
