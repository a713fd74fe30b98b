"""The headings that merchants write, by their meaning and language; the surest come first.

They are compared without case, accents, signs and gaps: ``product id`` is ``productId``, too.
"""

from __future__ import annotations

# English; German; French; Spanish; Italian; Dutch; Polish; Portuguese; Russian; Japanese; Chinese;
# Korean. What comes last counts only in a table that has none of the others: the products of a
# style share its code, but no bar code.
ID = """
    id, sku, product id, item id, external id, article id, variant id,
    product code, item code, article code, product number, item number, article number,
    product no, item no, article no, item sku, product sku, variant sku, seller sku, sku code,
    sku number, sku id, sku no, part number, code, reference, ref
    artikelnummer, artikel nr, art nr, artikel id, artikelcode, artikel,
    produktnummer, produkt nr, produkt id, produktcode, bestellnummer, bestell nr, best nr,
    materialnummer, artikelnummer sku
    référence, réf, identifiant, code article, code produit, référence produit, référence article,
    référence interne, id produit, numéro d'article, numéro de produit, numéro article, n° article,
    sku produit, ugs
    referencia, código, id producto, id del producto, código de producto, código producto,
    código del producto, código de artículo, código artículo, cód artículo, código sku,
    sku producto, referencia del producto, número de artículo, número de referencia,
    nº de referencia,
    identificador
    codice, riferimento, codice articolo, codice prodotto, id prodotto, cod articolo, cod prodotto,
    codice sku, sku prodotto, numero articolo
    productnummer, productcode, bestelnummer, bestelcode
    kod, kod produktu, kod towaru, numer katalogowy, nr katalogowy, indeks, indeks produktu,
    id produktu, identyfikator, numer produktu, symbol, symbol produktu, sku produktu
    código do produto, id do produto, referência, identificador do produto, cód, cód produto,
    código do item, referência do produto, sku do produto
    артикул, код, код товара, код продукта, номер товара, id товара, артикул товара,
    артикул продавца, идентификатор, идентификатор товара, уникальный идентификатор
    商品id, 商品番号, 商品コード, 品番, 管理番号, 商品管理番号, 商品管理番号 商品url, sku管理番号,
    商品sku, 型番, 製品番号, 品番コード
    商品编号, 产品编号, 商品编码, 产品编码, 货号, 编号, 款号, 商品編號, 產品編號, 貨號, 編號,
    sku编码, 产品sku, 商家编码, 宝贝id, 货品编号, 规格编码, 商品貨號, 商品编码sku, 料號
    상품코드, 상품 번호, 상품id, 제품코드, 제품 번호, 품번, 자체 상품코드, 판매자 상품코드
    custom label sku, offer id, reference no, reference number, internal reference
    mpn, gtin, ean, barcode, upc, isbn, gtin13, gtin14, gtin12, gtin8, ean13, ean8, ean code,
    ean number, upc code, barcode ean, ean barcode
    ean nummer, strichcode, code ean, code-barres, code barre, gencod, código de barras,
    código barras, código ean, codice ean, codice a barre, kod ean, kod kreskowy, штрихкод,
    jan, janコード, バーコード, 条码, 条形码, 商品条码, 條碼, 바코드
    uid, uuid, guid
    herstellernummer, herstellerartikelnummer, lieferantenartikelnummer, référence fabricant,
    référence fournisseur, codice produttore, kod producenta
    handle, product handle
    style code, style number, style no, style id, model number, model no, model code,
    modellnummer, modelnummer, numéro de modèle, número de modelo, numero modello, номер модели
"""

TITLE = """
    title, name, product title, product name, item name, item title, display name, article name
    titel, bezeichnung, produktname, produkttitel, artikelname, artikelbezeichnung, artikeltitel,
    produktbezeichnung, benennung
    titre, nom, nom du produit, nom produit, nom de produit, nom de l'article, nom article,
    titre du produit, titre produit, désignation, intitulé, libellé, libellé produit
    título, nombre, nombre del producto, nombre producto, nombre de producto, nombre artículo,
    nombre del artículo, título del producto, título producto, denominación
    titolo, nome, nome prodotto, nome del prodotto, nome articolo, titolo prodotto,
    titolo del prodotto, denominazione, denominazione articolo, denominazione prodotto
    naam, productnaam, artikelnaam, naam product, producttitel
    nazwa, tytuł, nazwa produktu, nazwa towaru, nazwa artykułu, tytuł produktu
    nome do produto, nome produto, nome do item, título do produto, designação
    название, название товара, наименование, наименование товара, название позиции, имя товара,
    заголовок
    商品名, 商品名称, タイトル, 名称, 品名, 製品名, アイテム名, 品目名, 商品タイトル
    标题, 名称, 产品名称, 商品标题, 产品标题, 商品名, 宝贝标题, 宝贝名称, 货品名称, 商品品名,
    產品名稱, 商品名稱, 標題, 名稱, 商品標題, 產品標題
    상품명, 제품명, 상품 이름, 제품 이름, 이름, 제목
    item description, artikelomschrijving, product, produkt, produit, producto, prodotto, produto,
    товар, 商品, 상품
"""

PICTURE = """
    image, images, picture, pictures, photo, photos, images src, image url, image urls, image link,
    image links, image src, image path, image file, image filename, img, img url, picture url,
    picture file, photo url, photo file, main image, main image url, product image,
    product image url, pictures url, photos url, media url, media src, images url, additional image,
    additional images, additional image link, additional image url, gallery, image uri, file,
    file name, filename, thumbnail
    bild, bilder, foto, fotos, bild url, bilddatei, bildlink, bild link, produktbild, hauptbild,
    bildpfad, zusätzlicher bildlink
    image du produit, images du produit, lien image, url image, url de l'image, photo du produit,
    fichier image, visuel
    imagen, imágenes, url de imagen, url imagen, url de la imagen, enlace imagen,
    imagen del producto, imagen principal
    immagine, immagini, url immagine, link immagine, immagine prodotto, file immagine
    afbeelding, afbeeldingen, afbeelding url, afbeeldingslink, plaatje, productafbeelding
    zdjęcie, zdjęcia, obraz, obrazek, obrazy, adres zdjęcia, url zdjęcia, link do zdjęcia,
    zdjęcie główne
    imagem, imagens, url da imagem, link da imagem, imagem do produto, imagem principal
    画像, 商品画像, 画像url, 画像ファイル, メイン画像, 写真, 画像ファイル名, 商品画像url
    图片, 图像, 主图, 照片, 商品图片, 产品图片, 图片链接, 图片地址, 图片url, 圖片, 圖像, 主圖,
    商品圖片, 圖片網址
"""

SOME_PICTURES = """
    img src, photo link, main image link, main picture, main photo, product images, product photo,
    product photos, product picture, product pictures, base image, featured image,
    featured image url, primary image, primary image url, hero image, large image, large image url,
    front image, back image, cover image, pic, pics, pic url, picture urls, photo urls,
    additional image links, additional image urls, other image, other images, other image url,
    gallery images, gallery image, img url alternative, alternative image, alternative images,
    alternative image url
    bilder url, produktbilder, artikelbild, artikelbilder, produktfoto, hauptbild url, abbildung,
    bild dateiname, weitere bilder, zusatzbild, zusatzbilder, foto url
    image produit, image principale, photo principale, lien de l'image, lien photo, url images,
    url des images, url photo, photo produit, fichier photo, images supplémentaires
    url imágenes, imagen url, enlace de imagen, enlace de la imagen, imagen producto,
    foto principal, foto del producto, fotografía, archivo de imagen, imágenes adicionales
    url immagini, link immagini, immagine del prodotto, immagine principale, foto prodotto,
    nome file immagine, immagini aggiuntive
    afbeeldings url, url afbeelding, hoofdafbeelding, productfoto, extra afbeeldingen
    zdjęcie url, zdjęcie produktu, zdjęcia produktu, url obrazka, plik zdjęcia
    url imagem, imagem do item, foto do produto
    изображение, изображения, картинка, картинки, фото, фотография, фотографии, ссылка на фото,
    ссылка на изображение, главное фото, основное фото, изображение товара, фото товара, url фото,
    url изображения, ссылка изображения, ссылка на картинку
    メイン画像url, 商品メイン画像, 画像パス, 商品画像パス, 画像リンク, サムネイル, 商品写真
    主图url, 主图链接, 主图地址, 商品主图, 产品主图, 宝贝图片, 图像链接, 商品图, 主圖網址, 商品圖,
    圖檔, 圖片連結, 商品主圖
    이미지, 상품 이미지, 제품 이미지, 대표 이미지, 이미지url, 이미지 링크, 이미지 경로, 사진,
    상품 사진, 대표 이미지url, 추가 이미지
"""
"""What may name only some pictures: columns whose values are names of pictures are others."""

PICTURE_NAMES = """
    image name, picture name, photo name, file path
    dateiname, bildname, bilddateiname
    nom de l'image, nom image, nom du fichier
    nombre de imagen, nombre de archivo
    nome immagine
    bestandsnaam, nazwa pliku, nome do arquivo, nome da imagem
    имя файла, ファイル名, 画像名, 文件名, 图片名称, 圖片名稱, 檔名, 파일명
"""
"""What names pictures only in a table that has no other column of them."""

URL = """
    url, link, product url, product link, page url, web page, product page, product page url,
    href, permalink, web link, deep link, item url
    produktlink, produkt url, webseite, seite, artikel url, artikellink, link zum produkt
    lien, lien produit, url produit, url du produit, lien du produit, lien vers le produit
    enlace, url producto, url del producto, enlace del producto, vínculo
    link prodotto, url prodotto, link al prodotto, collegamento
    productlink, koppeling, link naar product
    adres, adres url, link do produktu, url produktu, odnośnik
    url do produto, link do produto, ligação
    ссылка, ссылка на товар, url товара, адрес страницы
    商品url, 商品ページurl, リンク, 商品ページ, 商品リンク
    链接, 商品链接, 产品链接, 网址, 連結, 商品連結, 網址
    상품url, 상품 링크, 링크
"""

PRICE = """
    price, unit price, retail price, product price, regular price, list price, selling price,
    current price, rrp, msrp
    preis, verkaufspreis, einzelpreis, listenpreis, bruttopreis, vk preis, uvp, preis brutto
    prix, prix ttc, prix de vente, prix de vente ttc, prix public, tarif, prix unitaire
    precio, precio de venta, precio venta, precio unitario, pvp
    prezzo, prezzo di vendita, prezzo unitario, prezzo di listino, prezzo al pubblico
    prijs, verkoopprijs, stukprijs, adviesprijs
    cena, cena brutto, cena sprzedaży, cena detaliczna
    preço, preço de venda, preço unitário, pvp
    цена, цена продажи, розничная цена, стоимость
    価格, 販売価格, 税込価格, 単価, 値段, 定価
    价格, 售价, 单价, 零售价, 价格元, 销售价, 一口价, 價格, 售價, 單價, 定價
    가격, 판매가, 판매 가격, 정가
"""

# A wrong group merges products. "Parent", "Hauptartikel" and "master SKU" are not here: they hold
# flags and categories as well.
GROUP = """
    item group id, group id, variant of, variant group id, parent sku, parent id, parent product id
    variante von, übergeordnete artikelnummer, gruppen id, varianten id
    id de groupe, variante de, id parent, sku parent
    id de grupo, variante de, sku padre, id padre, sku principal
    id gruppo, variante di, sku padre, id padre
    groeps id, variant van
    id grupy
    id группы разновидностей
    グループid, 親商品コード, 親商品番号
    商品组id, 父sku, 商品群組id
"""

DESCRIPTION = """
    description, product description, long description, short description, body, body html,
    description html, details, details html, summary
    beschreibung, produktbeschreibung, artikelbeschreibung, kurzbeschreibung, langbeschreibung,
    kurztext, langtext, produkttext, beschreibung html
    description produit, description du produit, description courte, description longue,
    descriptif
    descripción, descripción del producto, descripción corta, descripción larga
    descrizione, descrizione prodotto, descrizione breve, descrizione lunga
    beschrijving, omschrijving, productbeschrijving, korte beschrijving, lange omschrijving
    opis, opis produktu, krótki opis, opis długi
    descrição, descrição do produto, descrição curta
    описание, описание товара, краткое описание, полное описание
    商品説明, 説明, 説明文, 商品説明文
    描述, 商品描述, 产品描述, 商品详情, 详情, 说明, 產品描述, 詳情, 說明
    상품 설명, 상세 설명, 설명, 제품 설명
"""

CONTAINERS = "product, products, item, items, article, data, fields, node"
"""Objects inside of which a name means what it means outside."""

MONEY = """
    price, prices, preis, prix, precio, prezzo, prijs, cena, preço, msrp, rrp, uvp, pvp, цена
    angebotspreis, verkaufspreis, einzelpreis, listenpreis, streichpreis, actieprijs
"""
MONEY_SIGNS = ("価格", "价格", "價格", "售价", "售價", "가격")

CODES = """
    id, ids, sku, skus, ean, ean8, ean13, gtin, gtin8, gtin12, gtin13, gtin14, upc, mpn, isbn, asin,
    jan, barcode, code, codes, reference, ref, zip, postcode, phone, hs
    artikelnummer, artikelnr, artnr, nummer, bestellnummer, productnummer, produktnummer,
    modellnummer, modelnummer, herstellernummer, referenz, plz, telefon, strichcode, code-barres
    código, codice, referencia, ugs, cod, kod, katalogowy, артикул, код, штрихкод
"""
CODE_SIGNS = ("番号", "コード", "编号", "编码", "货号", "編號", "貨號", "条码", "条形码", "코드")

VARIANTS = """
    size, sizes, color, colour, width, length, inseam, cup, größe, grösse, groesse, farbe, weite
    länge, schuhgröße, taille, pointure, couleur, longueur, talla, color, ancho, largo
    taglia, misura, colore, maat, kleur, rozmiar, kolor, tamanho, cor, размер, цвет
"""
VARIANT_SIGNS = ("サイズ", "カラー", "尺码", "尺寸", "尺碼", "颜色", "顏色", "사이즈", "색상")

NO_PRODUCT = """
    logo, logos, icon, icons, swatch, swatches, badge, label, flag, avatar, brand, manufacturer,
    vendor, supplier, category, categories, collection, related, review, reviews
    marke, hersteller, lieferant, kategorie, marque, fabricant, fournisseur, catégorie
    marca, fabricante, proveedor, categoría, produttore, fornitore, categoria, merk, fabrikant
    leverancier, marka, producent, dostawca, kategoria, бренд, логотип, категория
"""
NO_PRODUCT_SIGNS = ("ロゴ", "ブランド", "品牌", "分类", "分類", "브랜드", "로고")
"""What a picture shows that is none of the product."""
