import Server
import Store

/// `lab build-store …`
enum BuildStoreCommand {
    static let help = """
        usage: lab build-store --data DIR --links N [--urls FILE] [--seed 1] [--code-secret TEXT]

        Builds a store of N links in DIR, which is not there or empty, through the store's own code: records, log, digests
        and checksums are as a node writes them, and `edge serve --data DIR` takes it over. Links lead to the URLs of FILE, one
        a line, drawn by the seed; without one, to made-up ones of the lengths that URLs of the public web have. Codes are
        keyed by TEXT, else at random; `lab codes` tells them. Memory does not grow with N; disk does, by some 200 bytes
        a link.

        """

    static func run(_ arguments: [String]) throws {
        if let first = arguments.first, ["help", "--help"].contains(first) {
            StandardStream.output.write(help)
            return
        }
        let options = try Options(arguments, known: ["data", "links", "urls", "seed", "code-secret"])
        guard let data = options.text("data"), let links = try options.whole("links", BuiltStore.sizes) else {
            throw LabError(usage: "`--data` and `--links` are needed")
        }
        let outcome = try LinkPopulation.make(
            links, in: data, try BuiltStore.destinations(options),
            secret: options.text("code-secret").map { Array($0.utf8) }
        ) { StandardStream.error.write("lab: \(Figure.grouped($0)) links\n") }
        StandardStream.output.write(
            "\(Figure.grouped(links)) links in \(Figure.number(outcome.seconds)) s: "
                + "\(Figure.number(outcome.linksASecond)) a second, \(Figure.grouped(Int(outcome.commits))) commits\n\n"
        )
        try StandardStream.output.write(
            StoreFigureTables.sizes(of: data, links: links, destinationBytes: outcome.destinationBytes))
    }
}

/// `lab codes …`
enum CodesCommand {
    static let help = """
        usage: lab codes --data DIR [--count 10] [--from 0] [--step N]

        Prints codes of the store in DIR in the order in which they were made: COUNT of them, the one that FROM others were
        made before and then every STEP-th, which is as far apart as all links allow, unless said otherwise.

        """

    static func run(_ arguments: [String]) throws {
        if let first = arguments.first, ["help", "--help"].contains(first) {
            StandardStream.output.write(help)
            return
        }
        let options = try Options(arguments, known: ["data", "count", "from", "step"])
        guard let data = options.text("data") else { throw LabError(usage: "`--data` is needed") }
        let codes = try IssuedCodes(directory: data)
        let from = try options.whole("from", 0...Int.max) ?? 0
        let count = try options.whole("count", 1...1_000_000_000) ?? 10
        let step = try options.whole("step", 1...Int.max) ?? max(1, (codes.count - min(from, codes.count)) / count)
        var text = ""
        for place in stride(from: from, to: codes.count, by: step).prefix(count) {
            text += "\(codes[place])\n"
            guard text.utf8.count >= 1 << 16 else { continue }
            // Whoever reads them may have had enough.
            guard StandardStream.output.write(text) else { return }
            text = ""
        }
        StandardStream.output.write(text)
    }
}
