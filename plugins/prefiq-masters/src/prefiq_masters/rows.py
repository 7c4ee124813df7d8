"""Rows that a tenant starts with, where no package ships them.

Public facts name their source.  The others are a first choice, so that lists are not empty on the first day.
"""

from __future__ import annotations

from prefiq_masters.lookup import Lookup
from prefiq_masters.models import (
    AddressType,
    Brand,
    Colour,
    ContactGroup,
    ContactType,
    Destination,
    Nature,
    ProductCategory,
    ProductGroup,
    ProductType,
    Size,
    StockRejectionType,
    Style,
    Warehouse,
    WorkOrderType,
)

__all__ = [
    "BANKS",
    "CITIES",
    "DISTRICTS",
    "GST_STATES",
    "HSN_CHAPTERS",
    "LEDGERS",
    "LEDGER_GROUPS",
    "PAYMENT_TERMS",
    "PLAIN",
    "PRIORITIES",
    "SALES_TYPES",
    "SYMBOLS",
    "TAXES",
    "UNITS",
]

UNITS = (
    ("H87", "Piece", "pc"),
    ("C62", "One", "1"),
    ("SET", "Set", "set"),
    ("PR", "Pair", "pr"),
    ("DZN", "Dozen", "dz"),
    ("KGM", "Kilogram", "kg"),
    ("GRM", "Gram", "g"),
    ("TNE", "Tonne", "t"),
    ("LBR", "Pound", "lb"),
    ("MTR", "Metre", "m"),
    ("CMT", "Centimetre", "cm"),
    ("MMT", "Millimetre", "mm"),
    ("KMT", "Kilometre", "km"),
    ("INH", "Inch", "in"),
    ("FOT", "Foot", "ft"),
    ("MTK", "Square metre", "m²"),
    ("MTQ", "Cubic metre", "m³"),
    ("LTR", "Litre", "l"),
    ("MLT", "Millilitre", "ml"),
    ("SEC", "Second", "s"),
    ("MIN", "Minute", "min"),
    ("HUR", "Hour", "h"),
    ("DAY", "Day", "d"),
    ("MON", "Month", "mo"),
    ("ANN", "Year", "a"),
    ("KWH", "Kilowatt hour", "kWh"),
)
"""Code, name, symbol.  Source: UN/ECE Recommendation 20, the units that small firms bill in."""

SYMBOLS = {
    "INR": "₹", "USD": "$", "EUR": "€", "GBP": "£", "JPY": "¥", "CNY": "¥", "AUD": "A$", "CAD": "CA$",
    "SGD": "S$", "HKD": "HK$", "NZD": "NZ$", "KRW": "₩", "RUB": "₽", "TRY": "₺", "ILS": "₪", "NGN": "₦",
    "PHP": "₱", "VND": "₫", "THB": "฿", "BDT": "৳", "LKR": "Rs", "NPR": "Rs", "PKR": "Rs", "BRL": "R$",
    "ZAR": "R", "UAH": "₴", "KZT": "₸", "GHS": "₵", "CRC": "₡", "PLN": "zł", "CZK": "Kč", "SEK": "kr",
    "NOK": "kr", "DKK": "kr",
}  # fmt: skip
"""Currency's code → the sign that stands before or behind amounts.  Source: the currencies' own signs in Unicode."""

GST_STATES = {
    "IN-JK": "01", "IN-HP": "02", "IN-PB": "03", "IN-CH": "04", "IN-UK": "05", "IN-HR": "06", "IN-DL": "07",
    "IN-RJ": "08", "IN-UP": "09", "IN-BR": "10", "IN-SK": "11", "IN-AR": "12", "IN-NL": "13", "IN-MN": "14",
    "IN-MZ": "15", "IN-TR": "16", "IN-ML": "17", "IN-AS": "18", "IN-WB": "19", "IN-JH": "20", "IN-OD": "21",
    "IN-CG": "22", "IN-MP": "23", "IN-GJ": "24", "IN-DH": "26", "IN-MH": "27", "IN-KA": "29", "IN-GA": "30",
    "IN-LD": "31", "IN-KL": "32", "IN-TN": "33", "IN-PY": "34", "IN-AN": "35", "IN-TS": "36", "IN-AP": "37",
    "IN-LA": "38",
}  # fmt: skip
"""State or union territory of India → the first two digits of a GSTIN.  Source: the state codes of India's GST;
25 and 28 are of territories that were merged or divided."""

DISTRICTS = {
    "IN-TN": (
        "Ariyalur", "Chengalpattu", "Chennai", "Coimbatore", "Cuddalore", "Dharmapuri", "Dindigul", "Erode",
        "Kallakurichi", "Kancheepuram", "Kanniyakumari", "Karur", "Krishnagiri", "Madurai", "Mayiladuthurai",
        "Nagapattinam", "Namakkal", "Nilgiris", "Perambalur", "Pudukkottai", "Ramanathapuram", "Ranipet",
        "Salem", "Sivaganga", "Tenkasi", "Thanjavur", "Theni", "Thoothukudi", "Tiruchirappalli",
        "Tirunelveli", "Tirupathur", "Tiruppur", "Tiruvallur", "Tiruvannamalai", "Tiruvarur", "Vellore",
        "Viluppuram", "Virudhunagar",
    ),
}  # fmt: skip
"""Subdivision → its districts.  Source: the 38 districts of Tamil Nadu; the other states' are the tenant's to add."""

CITIES = (
    ("Chennai", "Chennai", "600001"),
    ("Coimbatore", "Coimbatore", "641001"),
    ("Madurai", "Madurai", "625001"),
    ("Tiruchirappalli", "Tiruchirappalli", "620001"),
    ("Salem", "Salem", "636001"),
    ("Tirunelveli", "Tirunelveli", "627001"),
    ("Tiruppur", "Tiruppur", "641601"),
    ("Erode", "Erode", "638001"),
    ("Vellore", "Vellore", "632001"),
    ("Thoothukudi", "Thoothukudi", "628001"),
    ("Thanjavur", "Thanjavur", "613001"),
    ("Dindigul", "Dindigul", "624001"),
    ("Hosur", "Krishnagiri", "635109"),
    ("Nagercoil", "Kanniyakumari", "629001"),
    ("Avadi", "Tiruvallur", "600054"),
    ("Tambaram", "Chengalpattu", "600045"),
    ("Kancheepuram", "Kancheepuram", "631501"),
    ("Kumbakonam", "Thanjavur", "612001"),
    ("Karur", "Karur", "639001"),
    ("Cuddalore", "Cuddalore", "607001"),
    ("Sivakasi", "Virudhunagar", "626123"),
    ("Karaikudi", "Sivaganga", "630001"),
    ("Namakkal", "Namakkal", "637001"),
    ("Pudukkottai", "Pudukkottai", "622001"),
    ("Tiruvannamalai", "Tiruvannamalai", "606601"),
)
"""City, district, PIN of its main post office.  Source: Tamil Nadu's municipal corporations, India Post."""

LEDGER_GROUPS = (
    ("CAPITAL", "Capital account", Nature.LIABILITY),
    ("LOANS", "Loans taken", Nature.LIABILITY),
    ("CURRENT-LIABILITIES", "Current liabilities", Nature.LIABILITY),
    ("FIXED-ASSETS", "Fixed assets", Nature.ASSET),
    ("INVESTMENTS", "Investments", Nature.ASSET),
    ("CURRENT-ASSETS", "Current assets", Nature.ASSET),
    ("SALES", "Sales accounts", Nature.INCOME),
    ("PURCHASES", "Purchase accounts", Nature.EXPENSE),
    ("DIRECT-INCOME", "Direct income", Nature.INCOME),
    ("DIRECT-EXPENSES", "Direct expenses", Nature.EXPENSE),
    ("INDIRECT-INCOME", "Indirect income", Nature.INCOME),
    ("INDIRECT-EXPENSES", "Indirect expenses", Nature.EXPENSE),
)
"""Code, name, nature: the primary groups of a usual chart of accounts."""

LEDGERS = (
    ("CAPITAL", "Capital", "CAPITAL"),
    ("CASH", "Cash", "CURRENT-ASSETS"),
    ("BANK", "Bank", "CURRENT-ASSETS"),
    ("RECEIVABLES", "Trade receivables", "CURRENT-ASSETS"),
    ("PAYABLES", "Trade payables", "CURRENT-LIABILITIES"),
    ("SALES", "Sales", "SALES"),
    ("PURCHASES", "Purchases", "PURCHASES"),
    ("CGST-INPUT", "Central GST, input", "CURRENT-ASSETS"),
    ("SGST-INPUT", "State GST, input", "CURRENT-ASSETS"),
    ("IGST-INPUT", "Integrated GST, input", "CURRENT-ASSETS"),
    ("CGST-OUTPUT", "Central GST, output", "CURRENT-LIABILITIES"),
    ("SGST-OUTPUT", "State GST, output", "CURRENT-LIABILITIES"),
    ("IGST-OUTPUT", "Integrated GST, output", "CURRENT-LIABILITIES"),
    ("FREIGHT", "Freight", "DIRECT-EXPENSES"),
    ("ROUND-OFF", "Rounding off", "INDIRECT-EXPENSES"),
)
"""Code, name, the code of its group."""

BANKS = (
    ("SBIN", "State Bank of India"),
    ("BARB", "Bank of Baroda"),
    ("BKID", "Bank of India"),
    ("MAHB", "Bank of Maharashtra"),
    ("CNRB", "Canara Bank"),
    ("CBIN", "Central Bank of India"),
    ("IDIB", "Indian Bank"),
    ("IOBA", "Indian Overseas Bank"),
    ("PSIB", "Punjab & Sind Bank"),
    ("PUNB", "Punjab National Bank"),
    ("UCBA", "UCO Bank"),
    ("UBIN", "Union Bank of India"),
    ("UTIB", "Axis Bank"),
    ("BDBL", "Bandhan Bank"),
    ("CIUB", "City Union Bank"),
    ("CSBK", "CSB Bank"),
    ("DCBL", "DCB Bank"),
    ("DLXB", "Dhanlaxmi Bank"),
    ("FDRL", "Federal Bank"),
    ("HDFC", "HDFC Bank"),
    ("ICIC", "ICICI Bank"),
    ("IBKL", "IDBI Bank"),
    ("IDFB", "IDFC FIRST Bank"),
    ("INDB", "IndusInd Bank"),
    ("JAKA", "Jammu & Kashmir Bank"),
    ("KARB", "Karnataka Bank"),
    ("KVBL", "Karur Vysya Bank"),
    ("KKBK", "Kotak Mahindra Bank"),
    ("NTBL", "Nainital Bank"),
    ("RATN", "RBL Bank"),
    ("SIBL", "South Indian Bank"),
    ("TMBL", "Tamilnad Mercantile Bank"),
    ("YESB", "YES Bank"),
)
"""First four letters of the IFSC, name.  Source: the public and private sector banks of the Reserve Bank of India."""

PAYMENT_TERMS = (
    ("IMMEDIATE", "Immediate", 0),
    ("NET-7", "Net 7", 7),
    ("NET-15", "Net 15", 15),
    ("NET-30", "Net 30", 30),
    ("NET-45", "Net 45", 45),
    ("NET-60", "Net 60", 60),
    ("NET-90", "Net 90", 90),
)
"""Code, name, days."""

PRIORITIES = (
    ("HIGH", "High", "#dc2626", "HIGH"),
    ("NORMAL", "Normal", "#2563eb", "NORMAL"),
    ("LOW", "Low", "#16a34a", "LOW"),
)
"""Code, name, colour, tag."""

SALES_TYPES = (
    ("RETAIL", "Retail", "To who uses the goods"),
    ("WHOLESALE", "Wholesale", "To who sells them again"),
    ("EXPORT", "Export", "To another country"),
)
"""Code, name, description."""

TAXES = (
    ("GST-0", "GST 0%", "0", True),
    ("GST-0-25", "GST 0.25%", "0.25", True),
    ("GST-3", "GST 3%", "3", True),
    ("GST-5", "GST 5%", "5", True),
    ("GST-18", "GST 18%", "18", True),
    ("GST-40", "GST 40%", "40", True),
    ("GST-12", "GST 12%", "12", False),
    ("GST-28", "GST 28%", "28", False),
)
"""Code, name, rate, active.  Source: the rates of India's GST since 22 September 2025.  12% and 28%, general rates
until then, are there for older documents, and to be activated by who deals in the few goods that kept them."""

PLAIN: dict[str, tuple[type[Lookup], tuple[str, ...]]] = {
    "address-types": (AddressType, ("Billing", "Shipping", "Office")),
    "contact-groups": (ContactGroup, ("Business", "Web clients")),
    "contact-types": (ContactType, ("Customer", "Supplier", "Customer and supplier", "Employee")),
    "brands": (Brand, ("General",)),
    "colours": (
        Colour,
        ("Black", "White", "Grey", "Red", "Orange", "Yellow", "Green", "Blue", "Violet", "Brown"),
    ),
    "product-categories": (ProductCategory, ("General",)),
    "product-groups": (ProductGroup, ("General",)),
    "product-types": (ProductType, ("Goods", "Service")),
    "sizes": (Size, ("XS", "S", "M", "L", "XL", "2XL", "3XL", "Standard")),
    "styles": (Style, ("Standard",)),
    "destinations": (Destination, ("Local",)),
    "stock-rejection-types": (StockRejectionType, ("Damaged", "Quality", "Wrong goods", "Too many")),
    "warehouses": (Warehouse, ("Main warehouse",)),
    "work-order-types": (WorkOrderType, ("General",)),
}
"""Seed → model and the names of its rows; their codes are made of them."""

HSN_CHAPTERS = """
01 Live animals
02 Meat and edible meat offal
03 Fish, crustaceans, molluscs and other aquatic invertebrates
04 Dairy produce; birds' eggs; natural honey; other edible products of animal origin
05 Other products of animal origin
06 Live trees and other plants; bulbs and roots; cut flowers and ornamental foliage
07 Edible vegetables and certain roots and tubers
08 Edible fruit and nuts; peel of citrus fruit or melons
09 Coffee, tea, maté and spices
10 Cereals
11 Products of the milling industry; malt; starches; inulin; wheat gluten
12 Oil seeds and oleaginous fruits; other grains, seeds and fruit; industrial or medicinal plants; straw and fodder
13 Lac; gums, resins and other vegetable saps and extracts
14 Vegetable plaiting materials; other vegetable products
15 Animal, vegetable or microbial fats and oils; prepared edible fats; waxes
16 Preparations of meat, of fish, of other aquatic invertebrates, or of insects
17 Sugars and sugar confectionery
18 Cocoa and cocoa preparations
19 Preparations of cereals, flour, starch or milk; pastrycooks' products
20 Preparations of vegetables, fruit, nuts or other parts of plants
21 Miscellaneous edible preparations
22 Beverages, spirits and vinegar
23 Residues and waste from the food industries; prepared animal fodder
24 Tobacco and manufactured tobacco substitutes
25 Salt; sulphur; earths and stone; plastering materials, lime and cement
26 Ores, slag and ash
27 Mineral fuels, mineral oils and products of their distillation; bituminous substances; mineral waxes
28 Inorganic chemicals; compounds of precious metals, rare-earth metals, radioactive elements or isotopes
29 Organic chemicals
30 Pharmaceutical products
31 Fertilisers
32 Tanning or dyeing extracts; dyes, pigments, paints and varnishes; putty; inks
33 Essential oils and resinoids; perfumery, cosmetic or toilet preparations
34 Soap; washing, lubricating and polishing preparations; waxes; candles; modelling pastes
35 Albuminoidal substances; modified starches; glues; enzymes
36 Explosives; pyrotechnic products; matches; pyrophoric alloys
37 Photographic or cinematographic goods
38 Miscellaneous chemical products
39 Plastics and articles thereof
40 Rubber and articles thereof
41 Raw hides and skins, other than furskins, and leather
42 Articles of leather; saddlery and harness; travel goods, handbags
43 Furskins and artificial fur
44 Wood and articles of wood; wood charcoal
45 Cork and articles of cork
46 Manufactures of straw, esparto or other plaiting materials; basketware and wickerwork
47 Pulp of wood or of other fibrous cellulosic material; recovered paper
48 Paper and paperboard; articles of paper pulp, paper or paperboard
49 Printed books, newspapers, pictures and other products of the printing industry
50 Silk
51 Wool, fine or coarse animal hair; horsehair yarn and woven fabric
52 Cotton
53 Other vegetable textile fibres; paper yarn and its woven fabrics
54 Man-made filaments; strip of man-made textile materials
55 Man-made staple fibres
56 Wadding, felt and nonwovens; special yarns; twine, cordage, ropes and cables
57 Carpets and other textile floor coverings
58 Special woven fabrics; tufted textile fabrics; lace; tapestries; trimmings; embroidery
59 Impregnated, coated, covered or laminated textile fabrics; textile articles for industrial use
60 Knitted or crocheted fabrics
61 Apparel and clothing accessories, knitted or crocheted
62 Apparel and clothing accessories, not knitted or crocheted
63 Other made-up textile articles; sets; worn clothing; rags
64 Footwear, gaiters and the like; parts thereof
65 Headgear and parts thereof
66 Umbrellas, walking sticks, seat-sticks, whips, riding-crops and parts thereof
67 Prepared feathers and down; artificial flowers; articles of human hair
68 Articles of stone, plaster, cement, asbestos, mica or similar materials
69 Ceramic products
70 Glass and glassware
71 Pearls, precious stones and metals, and articles thereof; imitation jewellery; coin
72 Iron and steel
73 Articles of iron or steel
74 Copper and articles thereof
75 Nickel and articles thereof
76 Aluminium and articles thereof
78 Lead and articles thereof
79 Zinc and articles thereof
80 Tin and articles thereof
81 Other base metals; cermets; articles thereof
82 Tools, implements, cutlery, spoons and forks, of base metal; parts thereof
83 Miscellaneous articles of base metal
84 Nuclear reactors, boilers, machinery and mechanical appliances; parts thereof
85 Electrical machinery and equipment; sound and television recorders and reproducers; parts thereof
86 Railway or tramway locomotives, rolling stock and track fixtures; traffic signalling equipment
87 Vehicles other than railway or tramway rolling stock; parts and accessories thereof
88 Aircraft, spacecraft and parts thereof
89 Ships, boats and floating structures
90 Optical, photographic, measuring, precision, medical or surgical instruments; parts thereof
91 Clocks and watches and parts thereof
92 Musical instruments; parts and accessories thereof
93 Arms and ammunition; parts and accessories thereof
94 Furniture; bedding and mattresses; luminaires; prefabricated buildings
95 Toys, games and sports requisites; parts and accessories thereof
96 Miscellaneous manufactured articles
97 Works of art, collectors' pieces and antiques
99 Services
"""
"""Chapters, shortened.  Source: the Harmonized System of 2022 (77 is reserved); 99 begins India's service codes."""
