@testable import Import

/// Inputs as the programs named write them, with links of example.com.
enum Samples {
    static let all: [(ImportFormat, String)] = [
        (.csv, shlink), (.csv, dub), (.csv, bitly), (.csv, yourlsPlugin), (.csv, spreadsheet), (.csv, brokenTable),
        (.yourls, mysqldump), (.yourls, phpMyAdmin), (.yourls, navicat), (.yourls, brokenDump), (.golink, golink),
        (.ndjson, ndjson),
    ]

    static let shlink = """
        "createdAt","domain","shortCode","shortUrl","longUrl","title","tags","visits"
        "2022-03-01T10:15:30+01:00","s.test","promo","https://s.test/promo","https://example.com/?a=1,2","","x|y",12
        "2022-03-02T00:00:00+00:00","s.test","a-b","https://s.test/a-b","https://example.com/b","He said ""no""\","",0

        """

    static let dub = """
        Short link,Destination URL,Clicks,Created at,Tags\r
        https://dub.sh/github,https://example.com/dub,7,2024-05-06T07:08:09.123Z,"red, a|b; c"\r
        dub.sh/x-1,"https://example.com/q?x=""1""\",0,2024-05-07T00:00:00.000Z,\r

        """

    static let bitly = """
        \u{FEFF}Bitlink,Custom Link,Long URL,Title,Tags,Created\r
        bit.ly/3abcXyz,,https://example.com/one,One,"promo, seasonal",2021-01-05T10:00:00+0000\r
        https://bit.ly/3abcXyy,https://go.test/two,https://example.com/two,"Two\r
        lines",,2021-01-05
        """

    static let yourlsPlugin =
        "source,target,hits\r\n/abc/,https://example.com/abc,3\r\n/d/,\"https://example.com/,\",0\r\n"

    static let spreadsheet = """
        Long URL;Short code;Tags;Title;Created at
        https://example.com/1;one;a,b;Eins, zwei;1614834367
        https://example.com/2;;a|b;;1614834367891
        ;;;;

        https://example.com/3;three;a;b;2021-03-04 05:06:07

        """

    static let brokenTable = """
        Long URL,Short code,Title
        https://example.com/1,one,"quoted" too late
        https://example.com/2,tw"o,x
        https://example.com/3,three,fine
        https://example.com/4,four
        ,five,x
        https://example.com/6,six,"never closed
        """

    static let mysqldump = """
        -- MySQL dump 10.13  Distrib 8.0.36, for Linux (x86_64)
        /*!40101 SET @OLD_CHARACTER_SET_CLIENT=@@CHARACTER_SET_CLIENT */;
        /*!50003 CREATE TRIGGER t BEFORE INSERT ON x FOR EACH ROW INSERT INTO `a_url` VALUES ('no') */;
        DROP TABLE IF EXISTS `yourls_log`;
        CREATE TABLE `yourls_log` (`click_id` int NOT NULL, `shorturl` varchar(100) DEFAULT 'it''s; (x');
        INSERT INTO `yourls_log` VALUES (1,'2021-03-04 05:06:07','abc',\
        'd\\';INSERT INTO `yourls_url` VALUES (','','','');
        LOCK TABLES `yourls_url` WRITE;
        /*!40000 ALTER TABLE `yourls_url` DISABLE KEYS */;
        INSERT INTO `yourls_url` VALUES ('1','https://example.com/?q=\\'x\\'',\
        'It\\'s \\"fine\\"\\n\\\\','2021-03-04 05:06:07','127.0.0.1',3),\
        ('abc','https://example.com/(a),(b);','','0000-00-00 00:00:00','::1',0);
        INSERT INTO `yourls_url` VALUES ('c','https://example.com/c',NULL,'2021-03-05 00:00:00',\
        '',18446744073709551615);
        UNLOCK TABLES;
        -- Dump completed
        """

    static let phpMyAdmin = """
        -- phpMyAdmin SQL Dump
        SET SQL_MODE = "NO_AUTO_VALUE_ON_ZERO";
        SET time_zone = "+00:00";
        --
        -- Dumping data for table `my_url`
        --

        INSERT INTO `my_url` (`title`, `url`, `keyword`, `timestamp`) VALUES
        ('Größe; ''doppelt''', 'https://example.com/g', 'g', '2019-02-22 23:59:32'),
        (NULL, 'https://example.com/h', 'h-1', '2019-02-23 00:00:00')
        ON DUPLICATE KEY UPDATE `url` = VALUES(`url`), `title` = ';';
        INSERT INTO `my_url` (`id`, `link`) VALUES (1, 'https://example.com/other');
        INSERT INTO `my_options` (`option_name`, `option_value`) VALUES ('x', 'y');
        # the end
        """

    static let navicat = """
        INSERT INTO `yourls_url` VALUES ('h', 0x68747470733A2F2F6578616D706C652E636F6D2F68, 'T', \
        '2014-03-08 00:38:44', '', '0');
        replace into "db"."url" values ('i', x'68747470733a2f2f6578616d706c652e636f6d2f69', _utf8mb4'U', '2014-03-08', \
        '', -1);
        INSERT IGNORE INTO db.yourls_url VALUES (_binary 'j', _binary 0x68747470733a2f2f6a, n'\\%\\_\\Z\\0', \
        NULL, '', 0)
        """

    static let brokenDump = """
        INSERT INTO `yourls_url` VALUES ('a','https://example.com/a'),
        ('b','https://example.com/b',CONCAT('x',(1),')'),NOW(),'',1),
        ('c',0x123,'','','',0),
        ('d',,'','','',0),
        ('e','https://example.com/e','','yesterday','',0),
        ('f','https://example.com/f','',NULL,'',0) ('g');
        INSERT INTO `yourls_url` SELECT * FROM `x`;
        INSERT INTO `yourls_url` (`keyword`, (`url`)) VALUES ('h','x');
        INSERT INTO `yourls_url` VALUES ('i','https://example.com/i','never closed
        """

    static let golink = """
        {"Short":"docs","Long":"https://example.com/docs","Created":"2022-06-02T02:22:05.123456789Z",\
        "LastEdit":"2022-06-02T02:22:05Z","Owner":"amelie@example.com"}
        {"Short":"Old","Long":"https://example.com/old","Created":"0001-01-01T00:00:00Z",\
        "LastEdit":"0001-01-01T00:00:00Z","Owner":"","Clicks":4}
        {"Short":"search","Long":"https://example.com/{{if .Path}}{{.Path}}{{end}}","Created":"2022-06-02T02:22:05Z",\
        "LastEdit":"2022-06-02T02:22:05Z","Owner":""}

        """

    static let ndjson = """
        {"short_code":"1TcH0Me","short_url":"http://e.test/1TcH0Me","long_url":"https://example.com/1",\
        "created_at":"2026-01-02T03:04:05.006Z","updated_at":"2026-01-02T03:04:05Z","expires_at":null,\
        "is_active":true,"custom_alias":null,"title":null,"tags":[],\
        "forward_query":false,"region":"us","owner":null}
        {"short_code":"docs","custom_alias":"docs","long_url":"https://example.com/2",\
        "expires_at":"2030-01-01T00:00:00Z","is_active":false,"title":"Zwei","tags":["a","b"],\
        "forward_query":true,"owner":"ops"}

        {"long_url":"https://example.com/3"}
        """
}
