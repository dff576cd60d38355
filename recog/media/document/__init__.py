"""Documents to pages: PDF, TIFF of several pages, single images.

reader   opens any of them
base     what all documents share
pdf      PDF by PDFium (extra ``pdf``)
picture  a page's picture as a PDF holds it
"""
